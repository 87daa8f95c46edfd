"""What is to be known of a network before a head is grafted onto it."""

import dataclasses
from typing import Any, Final, Literal

OWN: Final = "own"
"""Stands in a setting for what the backbone itself says."""
Scaling = Literal["own", "symmetric", "unit", "imagenet"]


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network of keras.applications, without its top and without Keras' own preprocessing.

    Attributes:
        name: Its name in settings, records and the keys of features; also the name of the backbone within a model.
        title: Its name in keras.applications, and in messages.
        blocks: Names of the layers at which its blocks end, the last one being the end of the network. Where Keras numbers layers,
            these are the numbers in a network that is built after `number_layers_afresh`.
        default_cut: Layer that the head stands on if none is named.
        smallest_image: Least side in pixels of what it takes.
        scaling: Range of the pixels that it was trained on.
        parameters: How many weights it has.
        parameters_with_top: How many it would have with its top.
        imagenet_url: Where Keras has its ImageNet weights.
        imagenet_md5: Their MD5 in hex digits, as Keras has it.
        rescales: Whether Keras puts scaling of its own into the network, which is left out: `scaling` stands in its place.
    """

    name: str
    title: str
    blocks: tuple[str, ...]
    default_cut: str
    smallest_image: int
    scaling: Scaling
    parameters: int
    parameters_with_top: int
    imagenet_url: str
    imagenet_md5: str
    rescales: bool = False

    def build(self, image_size: int) -> Any:
        """Builds the network with random weights.

        Args:
            image_size: Side of the input in pixels.

        Returns:
            A Keras model from float32 [N, image_size, image_size, 3], scaled as `scaling` says, to a map [N, H, W, C].
        """
        import keras

        make = getattr(keras.applications, self.title)
        without = {"include_preprocessing": False} if self.rescales else {}
        return make(include_top=False, weights=None, input_shape=(image_size, image_size, 3), **without)
