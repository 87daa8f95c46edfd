"""The record of a training: what went in, how it went, and what came out."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import (
    DeviceSummary,
    Epoch,
    FeatureCounts,
    Model,
    PhaseSummary,
    Selection,
)
from graft.components.common.compute.devices import Devices
from graft.components.common.storage import sha256_file
from graft.components.train.backbones.weights import NAMED
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit.head_training import Trained
from graft.components.train.network.assembly import Network, layer_table


def training_record(
    dataset: Dataset,
    config: TrainConfig,
    weights: str,
    devices: Devices,
    network: Network,
    training_set: TrainingSet,
    trained: Trained,
    keras_file: Path,
    versions: Mapping[str, str],
) -> Model:
    """Returns the record of a training, but for the seconds that it took.

    Args:
        dataset: What it was trained on.
        config: The settings.
        weights: The backbone's weights, as the step was given them: a name, a path or a URI.
        devices: What it was trained with.
        network: What stands before the head.
        training_set: What the head was trained on and selected by.
        trained: The head, and how it came about.
        keras_file: The saved model, whose digest goes into the record.
        versions: Versions of the libraries, by name.
    """
    pace = training_set.pace
    return Model(
        config=dataclasses.asdict(config) | {"tensorboard": storage.redact(config.tensorboard)},
        backbone=config.backbone,
        classes=dataset.classes,
        layers=layer_table(network, trained.head),
        history=tuple(Epoch.model_validate(entry) for entry in trained.history),
        best_epoch=trained.best_epoch,
        stopped=trained.stopped,
        phases=tuple(
            PhaseSummary(name=phase.phase, epochs=len(phase.history), stopped=phase.stopped) for phase in trained.phases
        ),
        selection=Selection(
            split=training_set.selection_split, images=len(training_set.selection_rows), accuracy=trained.accuracy
        ),
        calibration=trained.calibration,
        abstention=trained.abstention,
        training_images=len(training_set.rows),
        features=FeatureCounts(computed=training_set.computed, cached=training_set.cached),
        images_per_second=round(pace.images / pace.seconds, 1) if pace.images else None,
        waiting_share=round(pace.waited / pace.seconds, 3) if pace.images else None,
        dataset_digest=dataset.digest,
        weights_digest=network.weights_digest,
        devices=DeviceSummary(kind=devices.kind, count=devices.count, precision=devices.precision),
        weights=weights if weights in NAMED else Path(storage.redact(weights)).name,
        model_digest=sha256_file(keras_file),
        seconds={},
        versions=versions,
    )
