"""What happens to pixels before the backbone: layers that live inside the model, so that serving can't differ from training."""

from typing import Any

from graft.components.common.model import PREPROCESSING
from graft.components.train.backbone import PIXEL_OFFSET, PIXEL_SCALE

VERSION = "scaled to [-1, 1], resized bilinearly without antialiasing"
"""What the preprocessing does, for the key of cached features: whoever changes the layers changes this text."""


def build_preprocessing(image_size: int) -> Any:
    """Returns the preprocessing as a Keras model from uint8 [N, H, W, 3] to float32 [N, image_size, image_size, 3].

    Scaling comes before resizing: `Resizing` rounds uint8 in eager mode and not in a graph, floats it rounds nowhere.
    """
    import keras

    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8", name="image"),
            keras.layers.Rescaling(PIXEL_SCALE, offset=PIXEL_OFFSET, name="scale"),
            keras.layers.Resizing(image_size, image_size, interpolation="bilinear", name="resize"),
        ],
        name=PREPROCESSING,
    )
