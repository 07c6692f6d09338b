"""The exponential moving average (EMA) of a network's weights during training, as a separate model."""

import keras


class WeightEma:
    """A copy of a compiled model whose optimizer keeps an EMA of the weights (Polyak and Juditsky, 1992).

    Scoring and saving the copy leaves the training unchanged, to the last bit.
    """

    def __init__(self, model: keras.Model) -> None:
        """`model` must be compiled with an optimizer that has `use_ema=True`."""
        self._source = model
        self._copy: keras.Model = keras.models.clone_model(model)

    def update(self) -> keras.Model:
        """The copy, with the current EMA; before the first step, the weights themselves."""
        optimizer = self._source.optimizer
        self._copy.set_weights(self._source.get_weights())
        if optimizer.built:
            averages = dict(
                zip(
                    (weight.path for weight in self._source.trainable_weights),
                    optimizer._model_variables_moving_average,
                    strict=True,
                )
            )
            for source_weight, weight in zip(self._source.weights, self._copy.weights, strict=True):
                if source_weight.path in averages:
                    # Without this copy, JAX would share the buffer and later delete it.
                    weight.assign(keras.ops.copy(averages[source_weight.path]))
        return self._copy
