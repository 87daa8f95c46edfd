"""The frozen backbone: InceptionV3 of keras.applications, cut at a layer."""

import difflib
import hashlib
from pathlib import Path
from typing import Any

from graft.components.common.errors import GraftError
from graft.components.train.config import Head

# Keras' InceptionV3 expects pixels in [-1, 1] (keras.applications.inception_v3.preprocess_input).
PIXEL_SCALE, PIXEL_OFFSET = 1 / 127.5, -1.0


def build_backbone(cut: str, image_size: int, weights: Path | None, seed: int) -> tuple[Any, str]:
    """Builds InceptionV3 up to a layer, frozen.

    Args:
        cut: Name of the last layer; its output must be a map of features, [N, H, W, C].
        image_size: Side of the input in pixels.
        weights: A Keras weights file, or None for random weights.
        seed: Seed of random weights.

    Returns:
        A Keras model from float32 [N, image_size, image_size, 3] in [-1, 1] to float32 [N, H, W, C], and the digest of
        the whole network's weights.

    Raises:
        GraftError: The layer is unknown or has no map, or the weights are another network's.
    """
    import keras

    # Layer names are numbered over the life of the process; starting afresh gives `conv2d_12` one meaning.
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    shape = (image_size, image_size, 3)
    full = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=shape)
    if weights is not None:
        try:
            full.load_weights(str(weights))
        except (ValueError, KeyError, OSError) as error:
            raise GraftError(
                f"{weights.name} doesn't fit InceptionV3 without its top: name InceptionV3's notop file."
            ) from error
    layer = _find_layer(full, cut)
    backbone = keras.Model(full.input, layer.output, name="inception_v3")
    backbone.trainable = False
    return backbone, _digest(full)


def check_head(head: Head, backbone: Any) -> None:
    """Refuses a head that makes no sense on what the backbone gives.

    Args:
        head: The head.
        backbone: The cut backbone.

    Raises:
        GraftError: `flatten-dense` on a map of a single point, which has nothing to flatten.
    """
    _, height, width, _ = backbone.output.shape
    if head == "flatten-dense" and (height, width) == (1, 1):
        raise GraftError(
            f"At {backbone.input.shape[1]} px the cut {backbone.layers[-1].name!r} leaves a map of 1×1, which flatten-dense is not "
            "made for: take larger images, an earlier cut, or the head gap."
        )


def describe_layers(image_size: int) -> list[tuple[str, tuple[int, ...], int]]:
    """Lists the layers to cut at.

    Args:
        image_size: Side of the input in pixels.

    Returns:
        Name, shape of the output map [H, W, C], and the number of parameters up to there, in the network's order.
    """
    import keras

    keras.backend.clear_session()
    full = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(image_size, image_size, 3))
    return [
        (layer.name, tuple(layer.output.shape[1:]), keras.Model(full.input, layer.output).count_params())
        for layer in full.layers
        if _can_be_cut_at(full, layer)
    ]


def _can_be_cut_at(full: Any, layer: Any) -> bool:
    return len(layer.output.shape) == 4 and layer is not full.layers[0]


def _find_layer(full: Any, cut: str) -> Any:
    names = [layer.name for layer in full.layers if _can_be_cut_at(full, layer)]
    if cut not in names:
        blocks = [name for name in names if name.startswith("mixed")]
        close = difflib.get_close_matches(cut, names, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise GraftError(
            f"InceptionV3 has no layer {cut!r} to cut at: the blocks are {', '.join(blocks)}, and any other of its layers "
            f"will do, {names[0]} to {names[-1]}.{hint}"
        )
    return full.get_layer(cut)


def _digest(network: Any) -> str:
    """Returns the digest of a network's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for weight in network.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()
