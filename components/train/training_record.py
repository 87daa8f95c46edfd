"""What a training tells of itself, for `training.json`."""

import dataclasses
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.devices import Devices
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit.head_training import Trained
from graft.components.train.network.assembly import Network, layer_table


def describe(
    dataset: Dataset,
    config: TrainConfig,
    devices: Devices,
    network: Network,
    training_set: TrainingSet,
    trained: Trained,
) -> dict[str, Any]:
    """Returns what is known of a training: what went in, how it went, and what was chosen.

    Args:
        dataset: The dataset.
        config: The step's settings.
        devices: What it ran on.
        network: What stands before the head.
        training_set: What the head was trained on and selected by.
        trained: The trained head.
    """
    return {
        "config": dataclasses.asdict(config) | {"tensorboard": storage.redact(config.tensorboard)},
        "backbone": config.backbone,
        "classes": dataset.classes,
        "layers": layer_table(network, trained.head),
        "history": trained.history,
        "best_epoch": trained.best_epoch,
        "stopped": trained.stopped,
        "phases": [
            {"name": phase.phase, "epochs": len(phase.history), "stopped": phase.stopped} for phase in trained.phases
        ],
        "selection": {
            "split": training_set.selection_split,
            "images": int(training_set.selects.sum()),
            "accuracy": trained.accuracy,
        },
        "training_images": int(training_set.trains.sum()),
        "features": {"computed": training_set.computed, "cached": training_set.cached},
        "dataset_digest": dataset.digest,
        "weights_digest": network.weights_digest,
        "devices": {"kind": devices.kind, "count": devices.count, "precision": devices.precision},
    }
