"""The frozen backbone: a network of keras.applications, cut at one layer or at several."""

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft.components.common.errors import GraftError
from graft.components.train.backbones.architecture import Architecture
from graft.components.train.backbones.known import architecture_of
from graft.components.train.config import Head, TrainConfig


def number_layers_afresh() -> None:
    """Lets the numbers in layers' names, which go on over the life of the process, start again: `conv2d_12` gets one meaning.

    Not to be called within a strategy's scope, which Keras would forget.
    """
    import keras

    keras.backend.clear_session()


def build_backbone(config: TrainConfig, weights: Path | None, precision: str = "float32") -> tuple[Any, str]:
    """Builds the network up to a layer, frozen.

    Args:
        config: Names the backbone, the cut, whose layers' outputs must be maps of features, [N, H, W, C], the side of the input in
            pixels, and the seed of random weights.
        weights: A Keras weights file, or None for random weights.
        precision: Keras' dtype policy for the network: `float32` or `mixed_float16`.

    Returns:
        A Keras model from float32 [N, S, S, 3] to a list of maps [N, H, W, C], one a cut, and the digest
        of the whole network's weights.

    Raises:
        GraftError: A layer is unknown or has no map, or the weights are another network's.
    """
    import keras

    architecture = architecture_of(config.backbone)
    keras.utils.set_random_seed(config.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        full = architecture.build(config.image_size)
    finally:
        keras.config.set_dtype_policy(before)
    if weights is not None:
        try:
            full.load_weights(str(weights))
        except (ValueError, KeyError, OSError) as error:
            raise GraftError(
                f"{weights.name} doesn't fit {architecture.title} without its top: name {architecture.title}'s notop file."
            ) from error
    outputs = [_find_layer(full, name, architecture).output for name in config.cut.split("+")]
    backbone = keras.Model(full.input, outputs, name=architecture.name)
    backbone.trainable = False
    return backbone, _digest(full)


def check_head(head: Head, backbone: Any) -> None:
    """Refuses a head that makes no sense on what the backbone gives.

    Raises:
        GraftError: `flatten-dense` on several cuts, or on a map of a single point, which has nothing to flatten.
    """
    if head != "flatten-dense":
        return
    if len(backbone.outputs) > 1:
        raise GraftError("flatten-dense stands on one cut: name one, or take the head gap, which joins several.")
    _, height, width, _ = backbone.outputs[0].shape
    if (height, width) == (1, 1):
        raise GraftError(
            f"At {backbone.input.shape[1]} px the cut {backbone.layers[-1].name!r} leaves a map of 1×1, which flatten-dense is not "
            "made for: take larger images, an earlier cut, or the head gap."
        )


def find_range(backbone: Any, layers: str) -> list[Any]:
    """Returns the layers of a range that have weights to train: BatchNormalization stays as it is.

    Args:
        backbone: The cut backbone.
        layers: The range, `FROM..TO`, both included, in the network's order.

    Raises:
        GraftError: It is no such range, or one of the layers is not in the cut backbone.
    """
    import keras

    first, separator, last = layers.partition("..")
    if not separator or not first or not last:
        architecture = architecture_of(backbone.name)
        end = architecture.blocks.index(architecture.default_cut)
        example = "..".join(architecture.blocks[end - 1 : end + 1])
        raise GraftError(f"unfreeze can't be {layers!r}: name a range of layers, such as {example}.")
    names = [layer.name for layer in backbone.layers]
    for name in (first, last):
        if name not in names:
            raise GraftError(f"unfreeze names {name!r}, which is not in the network up to the cut.{_hint(name, names)}")
    start, end = names.index(first), names.index(last)
    found = [
        layer
        for layer in backbone.layers[start : end + 1]
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    if not found:
        raise GraftError(f"unfreeze can't be {layers!r}: from there to there no layer has weights to train.")
    return found


def unfreeze(backbone: Any, layers: Sequence[Any]) -> None:
    """Makes some layers of a frozen backbone trainable; all others stay frozen."""
    backbone.trainable = True
    for layer in backbone.layers:
        layer.trainable = layer in layers


def describe_layers(config: TrainConfig, *, every: bool) -> list[tuple[str, tuple[int, ...], int]]:
    """Lists the layers to cut at.

    Args:
        config: Names the backbone, and the side of the input in pixels.
        every: Whether to list all layers rather than the ends of the blocks.

    Returns:
        Name, shape of the output map [H, W, C], and the number of parameters up to there, in the network's order.
    """
    import keras

    number_layers_afresh()
    architecture = architecture_of(config.backbone)
    full = architecture.build(config.image_size)
    parts: dict[int, set[Any]] = {}  # by output: the layers up to there, its own included
    for operation in full.operations:  # layers, and plain sums and products between them
        inputs = operation.input if isinstance(operation.input, list) else [operation.input]
        own = {operation} if isinstance(operation, keras.Layer) else set()
        parts[id(operation.output)] = own.union(*(parts.get(id(given), set()) for given in inputs))
    return [
        (layer.name, tuple(layer.output.shape[1:]), sum(part.count_params() for part in parts[id(layer.output)]))
        for layer in full.layers
        if _can_be_cut_at(full, layer) and (every or layer.name in architecture.blocks)
    ]


def _can_be_cut_at(full: Any, layer: Any) -> bool:
    return len(layer.output.shape) == 4 and layer is not full.layers[0]


def _find_layer(full: Any, cut: str, architecture: Architecture) -> Any:
    layer = next((layer for layer in full.layers if layer.name == cut), None)
    if layer is None or not _can_be_cut_at(full, layer):
        names = [layer.name for layer in full.layers if _can_be_cut_at(full, layer)]
        raise GraftError(
            f"{architecture.title} has no layer {cut!r} to cut at: the blocks are {', '.join(architecture.blocks)}, and any other of "
            f"its layers will do, {names[0]} to {names[-1]}.{_hint(cut, names)}"
        )
    return layer


def _hint(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3)
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _digest(network: Any) -> str:
    """Returns the digest of a network's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for weight in network.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()
