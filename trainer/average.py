"""The average of a network's weights over its training, as a network of its own."""

import keras


class WeightAverage:
    """A copy of a compiled model whose optimizer keeps a moving average (Polyak and Juditsky, 1992).

    Scoring and saving the copy leaves the training untouched, to the last bit.
    """

    def __init__(self, model: keras.Model) -> None:
        """`model` must be compiled with an optimizer that has `use_ema=True`."""
        self._model = model
        self.model: keras.Model = keras.models.clone_model(model)

    def take(self) -> keras.Model:
        """The copy, with the average as it is now; before the first step the weights themselves."""
        optimizer = self._model.optimizer
        self.model.set_weights(self._model.get_weights())
        if optimizer.built:
            averages = dict(
                zip(
                    (weight.path for weight in self._model.trainable_weights),
                    optimizer._model_variables_moving_average,
                    strict=True,
                )
            )
            for weight, own in zip(self._model.weights, self.model.weights, strict=True):
                if weight.path in averages:
                    own.assign(keras.ops.copy(averages[weight.path]))  # JAX would share, and later delete, the buffer
        return self.model
