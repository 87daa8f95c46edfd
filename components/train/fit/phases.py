"""The phases of a training: first the head, then, if asked for, the unfrozen layers with it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.compute.running import images_at_once, on_gpus, pays_to_compile
from graft.components.common.compute.tensorflow import as_it_is, import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit.batches import fetch_images, fetch_vectors, stream_of
from graft.components.train.fit.calibration import Array
from graft.components.train.fit.scoring import class_weights, logits_of, scorer, targets_of
from graft.components.train.network.assembly import Network, with_head
from graft.components.train.network.augmentation import live_augmentation
from graft.components.train.network.backbone import unfreeze
from graft.components.train.network.head import without_last_layer

HEAD, UNFROZEN = "head", "unfrozen layers"
_VECTORS_AT_ONCE = 4096
_NUMBERS_AT_ONCE = 2**23  # in them, of which there are float32 copies
_STEPS_A_CALL = 1000  # of a millisecond each
_PASSES_A_STEP = 3  # the gradients take two


@dataclasses.dataclass(frozen=True)
class Phase:
    """What is fitted, on what, and how.

    Attributes:
        name: Its name in records and messages.
        model: The Keras model.
        stream: Gives all batches (inputs, targets) after as many steps, as a `tf.data.Dataset`; the same every time.
        steps: Batches an epoch.
        score: Returns `selection_loss` and `selection_accuracy` of the model as it is.
        logits: Returns float64 [M, m, 1 or classes], the logits of the selection images by view, of the model as it is.
        epochs: Epochs at most.
        learning_rate: The learning rate to start with.
        class_weight: Weight of each class in the loss; None for all alike.
        keeps_start: Whether the weights before the first epoch may turn out to be the best.
        steps_a_call: Steps that TensorFlow takes in one call, a divisor of `steps`: a small model's step takes less time than a call.
        compiles: Whether XLA compiles the steps on GPUs; it does on CPUs.
        half_precision: Whether gradients pass through layers in float16, in which small ones would vanish unless scaled.
    """

    name: str
    model: Any
    stream: Callable[[int], Any]
    steps: int
    score: Callable[[], dict[str, float]]
    logits: Callable[[], Array]
    epochs: int
    learning_rate: float
    class_weight: dict[int, float] | None = None
    keeps_start: bool = False
    steps_a_call: int = 1
    compiles: bool = False
    half_precision: bool = False


def head_phase(dataset: Dataset, network: Network, head: Any, training_set: TrainingSet, config: TrainConfig) -> Phase:
    """Returns the phase in which the head is trained: on features, or, augmented live, on images through the frozen backbone.

    Args:
        dataset: Holds the images and names the classes.
        network: What stands before the head.
        head: The untrained head, as `build_head` returns it.
        training_set: What the head is trained on and selected by.
        config: Says how images are augmented and weighted, and for how many epochs.

    Raises:
        GraftError: The dataset is damaged.
    """
    targets, selection_targets, weights = _targets(dataset, training_set, config)
    vectors = training_set.selection_vectors
    size = max(1, min(_VECTORS_AT_ONCE, _NUMBERS_AT_ONCE // vectors.shape[2]))
    parts = [vectors[:, row : row + size] for row in range(0, vectors.shape[1], size)]
    score = scorer(head, parts, selection_targets, config, weights)
    if config.augmentation == "live":
        model, augment = with_head(network, head), live_augmentation(config)
        fetch = fetch_images(dataset, TRAIN, network.preprocessing, training_set.rows)
    else:
        model, augment = head, None
        fetch = fetch_vectors(training_set.vectors.reshape(-1, training_set.vectors.shape[-1]))
        targets = np.tile(targets, (len(training_set.vectors), 1))
    stream, steps = stream_of(fetch, targets, config, 0, config.epochs, augment)
    # Keras fails at several steps a call under a strategy of several devices.
    is_alone = import_tensorflow().distribute.get_strategy().num_replicas_in_sync == 1
    is_small = model is head and config.head == "gap" and is_alone
    return Phase(
        HEAD,
        model,
        stream,
        steps,
        score,
        logits_of(head, without_last_layer(head), parts),
        config.epochs,
        config.learning_rate,
        weights,
        steps_a_call=max(count for count in range(1, _STEPS_A_CALL + 1) if steps % count == 0) if is_small else 1,
        compiles=model is not head and _compiles(network, len(targets), config.epochs),
    )


def unfrozen_phase(
    dataset: Dataset, network: Network, head: Any, training_set: TrainingSet, config: TrainConfig
) -> Phase:
    """Unfreezes layers of the backbone and returns the phase in which they are trained together with the head.

    BatchNormalization stays in inference mode and as it was: a small batch's statistics would undo what the network knows.

    Args:
        dataset: Holds the images and names the classes.
        network: What stands before the head.
        head: The trained head.
        training_set: What the head is trained on and selected by.
        config: Says how images are augmented and weighted, and for how many epochs.

    Raises:
        GraftError: The dataset is damaged.
    """
    tf = import_tensorflow()
    unfreeze(network.backbone, network.unfrozen)
    targets, selection_targets, weights = _targets(dataset, training_set, config)
    fetch = fetch_images(dataset, training_set.selection_split, network.preprocessing, training_set.selection_rows)
    size = images_at_once(network.backbone.input.shape[1] ** 2)
    filled = size if on_gpus() else 0
    rows = tf.data.Dataset.range(len(selection_targets)).batch(size)
    batches = rows.map(as_it_is(lambda numbers: fetch(numbers)[None])).prefetch(2)
    views = batches.map(lambda images: tf.concat([images, images[:, :, :, ::-1]], 0)) if config.mirror else batches
    fetch_training = fetch_images(dataset, TRAIN, network.preprocessing, training_set.rows)
    augment = live_augmentation(config)
    stream, steps = stream_of(fetch_training, targets, config, 1, config.unfreeze_epochs, augment)
    return Phase(
        UNFROZEN,
        with_head(network, head),
        stream,
        steps,
        scorer(
            with_head(network, head, mirror=config.mirror),
            batches,
            selection_targets,
            config,
            weights,
            filled,
        ),
        logits_of(head, with_head(network, without_last_layer(head)), views, filled),
        config.unfreeze_epochs,
        config.unfreeze_learning_rate,
        weights,
        keeps_start=True,
        compiles=_compiles(network, len(targets), config.unfreeze_epochs),
        half_precision=network.precision == "mixed_float16",
    )


def _targets(
    dataset: Dataset, training_set: TrainingSet, config: TrainConfig
) -> tuple[Any, Any, dict[int, float] | None]:
    """Returns targets of the training and of the selection images, and the weight of each class in the loss."""
    classes, labels = len(dataset.classes), training_set.labels
    weights = class_weights(labels, classes) if config.class_weights else None
    return targets_of(labels, classes), targets_of(training_set.selection_labels, classes), weights


def _compiles(network: Network, images: int, epochs: int) -> bool:
    """Tells whether a fit by images is long enough for XLA on GPUs."""
    return pays_to_compile(_PASSES_A_STEP * epochs * images * network.backbone.input.shape[1] ** 2)
