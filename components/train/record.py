"""What a training tells of itself, for `training.json`."""

import dataclasses
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.devices import Devices
from graft.components.train.config import TrainConfig
from graft.components.train.features.samples import Samples
from graft.components.train.fit.training import Trained
from graft.components.train.network.network import Network, layer_table


def describe(
    dataset: Dataset, config: TrainConfig, devices: Devices, network: Network, samples: Samples, trained: Trained
) -> dict[str, Any]:
    """Returns what is known of a training: what went in, how it went, and what was chosen.

    Args:
        dataset: The dataset.
        config: The step's settings.
        devices: What it ran on.
        network: What stands before the head.
        samples: What the head was trained on and selected by.
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
            "split": samples.selection_split,
            "images": int(samples.selects.sum()),
            "accuracy": trained.accuracy,
        },
        "training_images": int(samples.trains.sum()),
        "features": {"computed": samples.computed, "cached": samples.cached},
        "dataset_digest": dataset.digest,
        "weights_digest": network.weights_digest,
        "devices": {"kind": devices.kind, "count": devices.count, "precision": devices.precision},
    }
