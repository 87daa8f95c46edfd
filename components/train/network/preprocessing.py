"""What happens to pixels before the backbone: layers that live inside the model, so that serving can't differ from training.

Whoever changes them changes `decoding.VERSION`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from graft.components.common.compute.keras_models import PREPROCESSING
from graft.components.train.backbones.architecture import Scaling

# What Keras names tf (InceptionV3, and within MobileNetV3) and torch (within EfficientNetV2B0): scale and offset, of a pixel or by colour.
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SCALINGS: Mapping[Scaling, tuple[Any, Any]] = MappingProxyType(
    {
        "symmetric": (1 / 127.5, -1.0),
        "unit": (1 / 255, 0.0),
        "imagenet": (
            [1 / 255 / deviation for deviation in _DEVIATIONS],
            [-mean / deviation for mean, deviation in zip(_MEANS, _DEVIATIONS, strict=True)],
        ),
    }
)


def build_preprocessing(image_size: int, scaling: Scaling = "symmetric") -> Any:
    """Returns the preprocessing as a Keras model from uint8 [N, H, W, 3] to float32 [N, image_size, image_size, 3].

    Photographs are larger than the square, and bilinear resizing alone would skip pixels of theirs. So they are resized to
    twice the side first: halving averages two by two pixels, an antialiasing that every export format knows. (On a CPU
    `AveragePooling2D` takes far longer for the same.) Scaling comes before resizing: `Resizing` rounds uint8 in
    eager mode and not in a graph, floats it rounds nowhere.

    Args:
        image_size: Side of the square in pixels.
        scaling: What pixels are scaled to.
    """
    import keras

    scale, offset = _SCALINGS[scaling]
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8", name="image"),
            keras.layers.Rescaling(scale, offset=offset, name="scale"),
            keras.layers.Resizing(2 * image_size, 2 * image_size, interpolation="bilinear", name="resize"),
            keras.layers.Resizing(image_size, image_size, interpolation="bilinear", name="halve"),
        ],
        name=PREPROCESSING,
    )


def pixels(prepared: Any, scaling: Scaling) -> Any:
    """Turns prepared images back into pixels to be looked at.

    Args:
        prepared: float32 numpy array, as the preprocessing gives it.
        scaling: What pixels were scaled to.

    Returns:
        uint8, of the same shape.
    """
    scale, offset = (np.asarray(number, prepared.dtype) for number in _SCALINGS[scaling])
    return ((prepared - offset) / scale).round().clip(0, 255).astype("uint8")
