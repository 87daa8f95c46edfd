"""What a head is trained on: images, with their features."""

import dataclasses
import logging
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.compute.passes import Pace
from graft.components.common.compute.scratch_array import scratch_array
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import choose_images, prediction_views, views_of
from graft.components.train.features.extraction import compute_features
from graft.components.train.features.planned import Planned
from graft.components.train.network.assembly import Network

log = logging.getLogger("graft")

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """What a head is trained on and selected by. Images are in the order of their content, however they lie in the shards.

    Attributes:
        rows: int64 [n], the rows of the images that train in the index of the training split.
        labels: int64 [n], their labels.
        vectors: float16 [V, n, F], their features, by view, on the disk; [V, 0, F] if the head is trained on none.
        selection_split: Split of the selection images.
        selection_rows: int64 [m], the rows of the images that select the weights in the index of that split.
        selection_vectors: float16 [M, m, F], their features in the views that prediction averages, on the disk.
        selection_labels: int64 [m], their labels.
        computed: How many images went through the backbone, here or in the step's parts.
        cached: How many did not, their features being in the store.
        bytes_read: How many bytes of features were read from the store.
        bytes_written: How many were written there.
        pace: How fast images went through the backbone.
    """

    rows: Array
    labels: Array
    vectors: Array
    selection_split: str
    selection_rows: Array
    selection_vectors: Array
    selection_labels: Array
    computed: int
    cached: int
    bytes_read: int
    bytes_written: int
    pace: Pace


def collect_training_set(
    dataset: Dataset, network: Network, config: TrainConfig, store: str, planned: Planned | None = None
) -> TrainingSet:
    """Chooses the images that select the weights, and computes the features that training needs.

    Args:
        dataset: Holds the images; its validation split selects if the settings say so.
        network: What stands before the head.
        config: Says which images select, which views are wanted, and the size of a batch.
        store: Path or URI of the store; empty for none.
        planned: What the step's parts were to compute before; None for a step without parts.

    Raises:
        GraftError: There are too few images, or fewer than a batch takes, or the devices can't share a batch, or the temporary
            folder has no room for the features.
    """
    chosen = choose_images(dataset, config)
    for remark in chosen.remarks:
        log.warning("%s", remark)
    devices = import_tensorflow().distribute.get_strategy().num_replicas_in_sync
    if config.batch_size % devices:
        raise GraftError(
            f"batch_size {config.batch_size} can't be shared by {devices} GPUs: take a multiple of {devices}."
        )
    width, selecting = network.extractor.output.shape[1], len(chosen.selection_rows)
    first = chosen.needed[0]
    trained = len(first.rows) - (selecting if chosen.selection_split == TRAIN else 0)
    vectors = scratch_array((len(views_of(config)), trained, width))
    selection_vectors = scratch_array((len(prediction_views(config)), selecting, width))

    def put(view: int, columns: slice, numbers: Array, found: Array) -> None:
        trains = numbers < trained
        vectors[view][numbers[trains], columns] = found[trains]
        if view < len(selection_vectors):
            selection_vectors[view][numbers[~trains] - trained, columns] = found[~trains]

    def put_selection(view: int, columns: slice, numbers: Array, found: Array) -> None:
        selection_vectors[view][numbers, columns] = found

    pace, made, computed = Pace(), [], 0
    for needed, where in zip(chosen.needed, (put, put_selection), strict=False):
        work = planned.work_of(network.precision, needed.split) if planned else None
        counts = compute_features(dataset, needed, where, network, config, store, pace, work)
        by_parts = planned.rows.get(needed.split, needed.rows[:0]) if planned else needed.rows[:0]
        computed += len(np.union1d(counts.computed, by_parts))
        made.append(counts)
    return TrainingSet(
        chosen.rows,
        chosen.labels,
        vectors,
        chosen.selection_split,
        chosen.selection_rows,
        selection_vectors,
        chosen.selection_labels,
        computed,
        chosen.count - computed,
        sum(one.bytes_read for one in made),
        sum(one.bytes_written for one in made),
        pace,
    )
