"""Grad-CAM: which places of an image spoke for the class that a model predicted.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.components.common.compute.keras_models import AVERAGE, EXTRACTOR, HEAD, NETWORK, POOLING, backbone_of
from graft.components.common.compute.running import on_gpus
from graft.components.common.compute.tensorflow import import_tensorflow

Array = np.ndarray[Any, Any]

_IMAGES_AT_ONCE = 16
# Five seconds of InceptionV3 on two cores.
_PIXELS = 4_000_000


def affordable(model: Any) -> int:
    """Returns for how many images a report can wait: fewer where they are large or are looked at twice."""
    network = _Parts(model.get_layer(NETWORK))
    _, height, width, _ = network.backbone.input.shape
    return int(max(1, _PIXELS // (height * width * (2 if network.mirrors else 1))))


def heat_maps(model: Any, prepared: Array, classes: Sequence[int]) -> Array:
    """Computes where the deepest cut of the backbone speaks for a class.

    A place's heat is the sum over the features there, each times the gradient of the class's log-odds by it, and 0 where that is
    negative. On pooled features the gradient is the same everywhere, and this is Grad-CAM. A flattened head has a gradient of
    its own for every place: averaging it, as Grad-CAM does, would light up places that the head doesn't look at (Draelos and
    Carin, Use HiResCAM instead of Grad-CAM, 2020), so it isn't averaged.

    Args:
        model: A model that the train step saved.
        prepared: float32 [N, S, S, 3], images as the model's preprocessing gives them.
        classes: Label of the class to explain, for each image.

    Returns:
        float32 [N, H, W], 0 to 1, the hottest place of each image being 1; all 0 where nothing speaks for the class.
    """
    tf = import_tensorflow()
    network = _Parts(model.get_layer(NETWORK))
    run = tf.function(
        lambda images: network.backbone(images, training=False),
        input_signature=[
            tf.TensorSpec(network.backbone.input.shape, tf.float32)
        ],  # the last batch costs no further trace
        autograph=False,
    )
    rows, labels = np.arange(len(prepared)), np.asarray(classes, np.int32)
    if on_gpus():  # they look for other algorithms for a smaller batch, so the last one is filled up
        rows = np.resize(rows, len(rows) + -len(rows) % _IMAGES_AT_ONCE)
    found = [np.zeros((0, *network.deepest_map), np.float32)]
    for start in range(0, len(rows), _IMAGES_AT_ONCE):
        batch = rows[start : start + _IMAGES_AT_ONCE]
        images = tf.convert_to_tensor(prepared[batch])
        views = [images, tf.reverse(images, [2])] if network.mirrors else [images]
        maps = [_as_list(run(view)) for view in views]
        with tf.GradientTape() as tape:
            tape.watch([view[network.deepest] for view in maps])
            odds = log_odds([network.logits(view) for view in maps], tf.constant(labels[batch]))
        gradients = tape.gradient(odds, [view[network.deepest] for view in maps])
        heats = [
            tf.reduce_sum(gradient * view[network.deepest], axis=-1).numpy()
            for gradient, view in zip(gradients, maps, strict=True)
        ]
        found.append(heats[0] + heats[1][:, :, ::-1] if network.mirrors else heats[0])
    heat = np.maximum(np.concatenate(found)[: len(prepared)], 0)
    highest = heat.max(axis=(1, 2), keepdims=True, initial=0)
    scaled: Array = np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)
    return scaled.astype(np.float32)


def log_odds(logits: Sequence[Any], classes: Any) -> Any:
    """Returns log p - log(1 - p) of a class, p being averaged over views, also where p is 1 as far as float32 can tell.

    Args:
        logits: Tensors float32 [N, C], one a view.
        classes: int32 [N], each image's class.

    Returns:
        float32 [N].
    """
    tf = import_tensorflow()
    # The mean over views only shifts both logarithms alike.
    logarithms = tf.reduce_logsumexp(tf.nn.log_softmax(tf.stack(logits)), axis=0)
    chosen = tf.one_hot(classes, logarithms.shape[1], on_value=True, off_value=False, dtype=tf.bool)
    lowest = logarithms.dtype.min
    of_it = tf.reduce_sum(tf.where(chosen, logarithms, 0), axis=1)
    return of_it - tf.reduce_logsumexp(tf.where(chosen, lowest, logarithms), axis=1)


class _Parts:
    """The parts of a network as `graft.components.train.network.assembly` puts it together.

    Attributes:
        backbone: Keras model from prepared images to maps, one a cut.
        deepest: Number of the map that lies deepest in the backbone.
        deepest_map: Its height and width.
        mirrors: Whether the network averages over the image and its mirror image.
    """

    def __init__(self, network: Any) -> None:
        extractor = network.get_layer(EXTRACTOR)
        self.backbone, self._pooling = backbone_of(extractor), extractor.get_layer(POOLING)
        self._head = network.get_layer(HEAD)
        self.mirrors = any(layer.name == AVERAGE for layer in network.layers)
        order = [layer.name for layer in self.backbone.layers]
        places = [order.index(name) for name in self.backbone.output_names]
        self.deepest = places.index(max(places))
        self.deepest_map = tuple(self.backbone.outputs[self.deepest].shape[1:3])

    def logits(self, maps: Sequence[Any]) -> Any:
        """Returns what the head's last layer computes before its softmax or sigmoid: [N, C], C being 2 for a sigmoid.

        Args:
            maps: Tensors [N, H, W, C], one a cut.
        """
        tf = import_tensorflow()
        features = self._pooling(maps if len(maps) > 1 else maps[0], training=False)
        for layer in self._head.layers[:-1]:
            features = layer(features, training=False)
        last = self._head.layers[-1]
        logits = tf.matmul(features, last.kernel) + last.bias
        return tf.concat([tf.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def _as_list(maps: Any) -> list[Any]:
    return list(maps) if isinstance(maps, (list, tuple)) else [maps]
