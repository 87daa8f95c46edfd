"""The phases of a training: first the head, then, if asked for, the unfrozen layers with it."""

from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.compute.devices import images_at_once
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.features.samples import Samples
from graft.components.train.features.streams import fetch_images, fetch_vectors, stream_of
from graft.components.train.fit.fit import Phase, class_weights, scorer, targets_of
from graft.components.train.network.augmentation import live_augmentation
from graft.components.train.network.backbone import unfreeze
from graft.components.train.network.network import Network, with_head

HEAD, UNFROZEN = "head", "unfrozen layers"
_VECTORS_AT_ONCE = 4096


def head_phase(dataset: Dataset, network: Network, head: Any, samples: Samples, config: TrainConfig) -> Phase:
    """Returns the phase in which the head is trained: on features, or, augmented live, on images through the frozen backbone.

    Args:
        dataset: The dataset.
        network: What stands before the head.
        head: The untrained head.
        samples: What it is trained on and selected by.
        config: The step's settings.

    Raises:
        GraftError: The dataset is damaged.
    """
    targets, selection_targets, weights = _targets(dataset, samples, config)
    vectors = samples.selection_vectors
    parts = [vectors[:, row : row + _VECTORS_AT_ONCE] for row in range(0, vectors.shape[1], _VECTORS_AT_ONCE)]
    score = scorer(head, parts, selection_targets, config, weights)
    if config.augmentation == "live":
        model, augment = with_head(network, head), live_augmentation(config)
        fetch = fetch_images(dataset, TRAIN, network.preprocessing, samples.trains)
    else:
        model, augment = head, None
        fetch = fetch_vectors(samples.vectors.reshape(-1, samples.vectors.shape[-1]))
        targets = np.tile(targets, (len(samples.vectors), 1))
    stream, steps = stream_of(fetch, targets, config, 0, config.epochs, augment)
    return Phase(HEAD, model, stream, steps, score, config.epochs, config.learning_rate, weights)


def unfrozen_phase(dataset: Dataset, network: Network, head: Any, samples: Samples, config: TrainConfig) -> Phase:
    """Unfreezes layers of the backbone and returns the phase in which they are trained together with the head.

    BatchNormalization stays in inference mode and as it was: a small batch's statistics would undo what the network knows.

    Args:
        dataset: The dataset.
        network: What stands before the head.
        head: The trained head.
        samples: What the head was trained on and selected by.
        config: The step's settings.

    Raises:
        GraftError: The dataset is damaged.
    """
    tf = import_tensorflow()
    unfreeze(network.backbone, network.unfrozen)
    targets, selection_targets, weights = _targets(dataset, samples, config)
    fetch = fetch_images(dataset, samples.selection_split, network.preprocessing, samples.selects)
    rows = tf.data.Dataset.range(len(selection_targets)).batch(images_at_once())
    batches = rows.map(lambda numbers: fetch(numbers)[None]).prefetch(2)
    fetch_training = fetch_images(dataset, TRAIN, network.preprocessing, samples.trains)
    augment = live_augmentation(config)
    stream, steps = stream_of(fetch_training, targets, config, 1, config.unfreeze_epochs, augment)
    return Phase(
        UNFROZEN,
        with_head(network, head),
        stream,
        steps,
        scorer(with_head(network, head, mirror=config.mirror), batches, selection_targets, config, weights),
        config.unfreeze_epochs,
        config.unfreeze_learning_rate,
        weights,
        keeps_start=True,
        half_precision=network.precision == "mixed_float16",
    )


def _targets(dataset: Dataset, samples: Samples, config: TrainConfig) -> tuple[Any, Any, dict[int, float] | None]:
    """Returns targets of the training and of the selection images, and the weight of each class in the loss."""
    classes, labels = len(dataset.classes), samples.labels[samples.trains]
    weights = class_weights(labels, classes) if config.class_weights else None
    return targets_of(labels, classes), targets_of(samples.selection_labels, classes), weights
