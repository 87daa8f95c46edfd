"""The phases of a training: first the head, then, if asked for, the unfrozen layers with it."""

import math
from typing import Any

import numpy as np

from graft.components.common.dataset import TRAIN, Dataset
from graft.components.common.devices import images_at_once
from graft.components.common.tensorflow import import_tensorflow
from graft.components.train.augmentation import build_augmentation
from graft.components.train.backbone import unfreeze
from graft.components.train.config import TrainConfig
from graft.components.train.fit import Phase, scorer, targets_of
from graft.components.train.network import Network, with_head
from graft.components.train.samples import Samples
from graft.components.train.streams import image_samples, stream_of

HEAD, UNFROZEN = "head", "unfrozen layers"


def head_phase(dataset: Dataset, network: Network, head: Any, samples: Samples, config: TrainConfig) -> Phase:
    """Returns the phase in which the head is trained: on features, or, augmented live, on images through the frozen backbone.

    Args:
        dataset: The dataset.
        network: What stands before the head.
        head: The untrained head.
        samples: What it is trained on and selected by.
        config: The step's settings.
    """
    tf = import_tensorflow()
    classes = len(dataset.classes)
    selection_targets = targets_of(samples.selection_labels, classes)
    score = scorer(head, [samples.selection_vectors], selection_targets, config)
    if config.augmentation == "live":
        model = with_head(network, head)
        stream, steps = _image_stream(dataset, network, samples, config, config.epochs)
    else:
        views, images, width = samples.vectors.shape
        targets = np.tile(targets_of(samples.labels[samples.trains], classes), (views, 1))
        inputs = samples.vectors.reshape(-1, width)
        model, steps = head, math.ceil(views * images / config.batch_size)
        stream = stream_of(tf.data.Dataset.from_tensor_slices((inputs, targets)), views * images, config, config.epochs)
    return Phase(HEAD, model, stream, steps, score, config.epochs, config.learning_rate)


def unfrozen_phase(dataset: Dataset, network: Network, head: Any, samples: Samples, config: TrainConfig) -> Phase:
    """Unfreezes layers of the backbone and returns the phase in which they are trained together with the head.

    BatchNormalization stays in inference mode and as it was: a small batch's statistics would undo what the network knows.

    Args:
        dataset: The dataset.
        network: What stands before the head.
        head: The trained head.
        samples: What the head was trained on and selected by.
        config: The step's settings.
    """
    unfreeze(network.backbone, network.unfrozen)
    targets = targets_of(samples.selection_labels, len(dataset.classes))
    selection = image_samples(dataset, samples.selection_split, network.preprocessing, samples.selects, targets)
    batches = selection.batch(images_at_once()).map(lambda images, targets: images[None])
    score = scorer(with_head(network, head, mirror=config.mirror), batches, targets, config)
    stream, steps = _image_stream(dataset, network, samples, config, config.unfreeze_epochs)
    return Phase(
        UNFROZEN,
        with_head(network, head),
        stream,
        steps,
        score,
        config.unfreeze_epochs,
        config.unfreeze_learning_rate,
        keeps_start=True,
    )


def _image_stream(
    dataset: Dataset, network: Network, samples: Samples, config: TrainConfig, epochs: int
) -> tuple[Any, int]:
    """Returns the stream of training images and how many batches an epoch has."""
    targets = targets_of(samples.labels[samples.trains], len(dataset.classes))
    images = image_samples(dataset, TRAIN, network.preprocessing, samples.trains, targets)
    count = int(samples.trains.sum())
    augment = build_augmentation(config) if config.augmentation == "live" else None
    return stream_of(images, count, config, epochs, augment), math.ceil(count / config.batch_size)
