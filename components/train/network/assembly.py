"""What is trained and saved: preprocessing, frozen backbone, pooling and head, put together."""

import dataclasses
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.model import Layer
from graft.components.common.compute.keras_models import AVERAGE, EXTRACTOR, NETWORK
from graft.components.train.config import TrainConfig
from graft.components.train.network.backbone import build_backbone, check_head, find_range, number_layers_afresh
from graft.components.train.network.head import build_pooling
from graft.components.train.network.preprocessing import build_preprocessing


@dataclasses.dataclass(frozen=True)
class Network:
    """All that stands before the head.

    Attributes:
        preprocessing: Keras model from uint8 [N, H, W, 3] of any size to the backbone's input.
        backbone: Keras model from that to a list of maps.
        extractor: Keras model from the backbone's input to a vector a image, float32 [N, F]; always in inference mode.
        unfrozen: The backbone's layers that are to be trained as well.
        weights_digest: Digest of the backbone's weights.
        precision: Keras' dtype policy of the backbone.
    """

    preprocessing: Any
    backbone: Any
    extractor: Any
    unfrozen: list[Any]
    weights_digest: str
    precision: str


def build_network(config: TrainConfig, weights: Path | None, precision: str = "float32") -> Network:
    """Builds what stands before the head.

    Args:
        config: Names backbone, cut, image size, scaling, head, seed, and the layers to unfreeze.
        weights: The backbone's weights file; None for random weights.
        precision: Keras' dtype policy of the backbone.

    Raises:
        GraftError: The weights don't fit, a layer is unknown, or the head can't stand on the cut.
    """
    import keras

    backbone, digest = build_backbone(config, weights, precision)
    check_head(config.head, backbone)
    unfrozen = find_range(backbone, config.unfreeze) if config.unfreeze else []
    preprocessing = build_preprocessing(config.image_size, config.scaling)
    pooling = build_pooling(config.head, backbone.outputs)
    inputs = keras.Input(backbone.input.shape[1:], name=f"{EXTRACTOR}_input")
    # The backbone stays in inference mode whatever the mode of the whole.
    extractor = keras.Model(inputs, pooling(backbone(inputs, training=False)), name=EXTRACTOR)
    return Network(preprocessing, backbone, extractor, unfrozen, digest, precision)


def with_head(network: Network, head: Any, *, mirror: bool = False) -> Any:
    """Chains extractor and head into a model from the backbone's input to probabilities.

    Args:
        network: What stands before the head.
        head: Keras model from features to probabilities, as `build_head` returns it.
        mirror: Whether to average the probabilities over the image and its mirror image.
    """
    import keras

    inputs = keras.Input(network.backbone.input.shape[1:], name=f"{NETWORK}_input")
    outputs = head(network.extractor(inputs, training=False))
    if mirror:
        mirrored = head(network.extractor(keras.ops.flip(inputs, axis=2), training=False))
        outputs = keras.layers.Average(name=AVERAGE)([outputs, mirrored])
    return keras.Model(inputs, outputs, name=NETWORK)


def in_full_precision(network: Network, config: TrainConfig) -> Network:
    """Returns the network in float32, with the weights it has now: what is served must not depend on what it was trained on."""
    if network.precision == "float32":
        return network
    number_layers_afresh()
    full = build_network(dataclasses.replace(config, unfreeze=""), None)
    full.backbone.set_weights(network.backbone.get_weights())
    return full


def whole_model(network: Network, head: Any, config: TrainConfig) -> Any:
    """Puts everything into the model that is saved: uint8 [N, H, W, 3] of any size to probabilities.

    Without `training=False` the layers after `Resizing` would be called in training mode on export.

    Args:
        network: What stands before the head.
        head: The trained head.
        config: Says also whether the mirror image is predicted too.
    """
    import keras

    full = in_full_precision(network, config)
    inputs = keras.Input((None, None, 3), dtype="uint8", name="image")
    probabilities = with_head(full, head, mirror=config.mirror)(full.preprocessing(inputs), training=False)
    return keras.Model(inputs, probabilities, name="graft")


def layer_table(network: Network, head: Any) -> tuple[Layer, ...]:
    """Lists the layers of backbone and head with their shapes and parameters."""
    return tuple(
        Layer(
            part=part.name,
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=tuple(layer.output.shape),
            parameters=layer.count_params(),
            trainable_parameters=sum(int(weight.numpy().size) for weight in layer.trainable_weights),
        )
        for part in (network.backbone, head)
        for layer in part.layers
    )
