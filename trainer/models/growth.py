"""Starts a network from the weights of a trained one: of the same network, or of one that it has grown from."""

import keras

from .networks import GROWN_LAYER


def copy_weights(source: keras.Model, target: keras.Model) -> bool:
    """Set the weights of `target` to those of `source`; False, and nothing is changed, if the two do not fit.

    Layers of `target` that `source` lacks may be those that begin as an identity: it then predicts what `source`
    predicts.
    """
    if _shapes(source.layers) == _shapes(target.layers):
        target.set_weights(source.get_weights())
        return True
    kept = [layer for layer in target.layers if not layer.name.startswith(GROWN_LAYER)]
    if _shapes(source.layers) != _shapes(kept):
        return False
    source_layers = [layer for layer in source.layers if layer.weights]
    for source_layer, layer in zip(source_layers, [layer for layer in kept if layer.weights], strict=True):
        layer.set_weights(source_layer.get_weights())
    return True


def _shapes(layers: list[keras.layers.Layer]) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for layer in layers for weight in layer.weights]
