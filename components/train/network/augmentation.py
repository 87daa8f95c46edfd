"""Augmentation: an image as it might have been taken as well. Keras' layers, with all chance drawn from a given seed."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from graft.components.common.compute.running import on_gpus
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig

Augment = Callable[[Any, Any], Any]
VERSION = "1"
"""Names what the layers do, for the key of cached features: whoever changes them changes it."""

_FILL = "nearest"


def live_augmentation(config: TrainConfig) -> Augment | None:
    """Returns how images are augmented that pass through the backbone at every step; None for not at all.

    Views of an image that are cached for the head are drawn anew at every step here. All five changes take 3 ms of a core an image of
    150 px and 12 ms one of 299 px, so that a few cores can't feed a GPU: it changes the images itself, of several GPUs the first one.
    """
    if config.augmentation != "off":
        config = dataclasses.replace(config, flip=config.flip or config.mirror)
    elif config.mirror:
        config = dataclasses.replace(config, rotation=0.0, shift=0.0, shear=0.0, zoom=0.0, flip=True)
    else:
        return None
    return build_augmentation(config, "GPU:0" if on_gpus() else None)


def build_augmentation(config: TrainConfig, device: str | None = None) -> Augment:
    """Returns a function from float32 [N, H, W, 3] images and an int64 [2] seed to augmented images of the same shape.

    The same images and seed give the same result. It runs within a `tf.data` pipeline.

    Args:
        config: Says how images are changed, and how strongly.
        device: The device that changes them; None for the one that calls, which in a `tf.data` pipeline is the CPU. How each image is
            changed is drawn by the one that calls.
    """
    import keras

    tf = import_tensorflow()
    layers: list[Any] = []
    if config.rotation:
        layers.append(keras.layers.RandomRotation(config.rotation / 360, fill_mode=_FILL))
    if config.shift:
        layers.append(keras.layers.RandomTranslation(config.shift, config.shift, fill_mode=_FILL))
    if config.shear:
        layers.append(keras.layers.RandomShear(math.tan(math.radians(config.shear)), 0.0, fill_mode=_FILL))
    if config.zoom:
        between = (-config.zoom, config.zoom)
        layers.append(keras.layers.RandomZoom(between, between, fill_mode=_FILL))
    if config.flip:
        layers.append(keras.layers.RandomFlip("horizontal"))

    class Draws(keras.random.SeedGenerator):  # type: ignore[misc]
        """Seeds that follow from a tensor: the layers' own follow from how often they were called before."""

        def __init__(self, seed: Any) -> None:
            self._seed, self._drawn = seed, 0

        def next(self, ordered: bool = True) -> Any:
            self._drawn += 1
            return tf.random.experimental.stateless_fold_in(self._seed, self._drawn)

    def augment(images: Any, seed: Any) -> Any:
        draws = Draws(tf.cast(seed, tf.int64))
        for layer in layers:
            change = layer.get_random_transformation(images, training=True, seed=draws)
            with tf.device(device):
                images = layer.transform_images(images, change, training=True)
        return images

    return augment
