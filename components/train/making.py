"""Making a model: network, features, head, and what is saved of them. To import it imports TensorFlow."""

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.compute import decoding
from graft.components.common.compute.devices import Devices
from graft.components.common.compute.keras_models import save_model
from graft.components.common.compute.passes import naming_damage
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.progress import doing
from graft.components.train.clock import Clock
from graft.components.train.config import TrainConfig
from graft.components.train.features.planned import Planned
from graft.components.train.features.training_set import TrainingSet, collect_training_set
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.event_logs import EventLogs
from graft.components.train.fit.head_training import Trained, train_head
from graft.components.train.network import augmentation, backbone
from graft.components.train.network.assembly import Network, build_network, whole_model
from graft.components.train.training_page import PAGE, write_page
from graft.components.train.training_record import training_record

_TENSORBOARD = "tensorboard"


@dataclasses.dataclass(frozen=True)
class Made:
    """A model that was made and saved.

    Attributes:
        model: Its record, but for the seconds that it took.
        training_set: What its head was trained on.
        trained: The head, and how it came about.
        checkpoints: What an attempt that is killed goes on from.
    """

    model: Model
    training_set: TrainingSet
    trained: Trained
    checkpoints: Checkpoints


def make_model(
    data: Dataset,
    output: Path,
    weights: str,
    file: Path | None,
    config: TrainConfig,
    store: str,
    planned: Planned | None,
    devices: Devices,
    clock: Clock,
) -> Made:
    """Trains a head, and saves backbone and head as one model, with the training's page and logs.

    Args:
        data: The images.
        output: The Model's directory.
        weights: The backbone's weights, as the step was given them.
        file: Their file; None for random weights.
        config: The settings.
        store: Path or URI of the store; empty for none.
        planned: What the step's parts were to compute before; None for a step without parts.
        devices: What to train on.
        clock: Is told when a phase ends.

    Raises:
        GraftError: As `train` does.
    """
    backbone.number_layers_afresh()
    with devices.strategy.scope(), EventLogs(output / _TENSORBOARD, config.tensorboard) as events:
        doing("building the network")
        network = build_network(config, file, devices.precision)
        clock.lap("build")
        doing("preparing the features")
        training_set = collect_training_set(data, network, config, store, planned)
        clock.lap("features")
        doing("training the head")
        checkpoints = Checkpoints(store, _key(data, config, devices, network))
        with naming_damage(data, TRAIN, training_set.selection_split):
            trained = train_head(data, network, training_set, config, checkpoints, events)
        clock.lap("head")
    doing("saving the model")
    keras_file = output / Model.KERAS
    save_model(whole_model(network, trained.head, config), keras_file)
    clock.lap("save")
    model = training_record(data, config, weights, devices, network, training_set, trained, keras_file, _versions())
    doing("drawing the training page")
    write_page(model, data, network, config, output / PAGE)
    clock.lap("pictures")
    return Made(model, training_set, trained, checkpoints)


def _key(dataset: Dataset, config: TrainConfig, devices: Devices, network: Network) -> dict[str, Any]:
    """Returns all that a training depends on: an attempt with the same goes on where another one stopped.

    Other versions may have other variables or another arithmetic, and so may other devices.
    """
    settings = dataclasses.asdict(config)
    for field in (
        "tensorboard",
        "require_gpu",
        "weights_sha256",
        "wanted_accuracy",
    ):  # where it is watched and may run, what was expected, and what is chosen when the training is over
        del settings[field]
    return {
        "layout": 5,  # of the checkpoints themselves, the order of the images, and which of them select
        "dataset": dataset.digest,
        "config": settings,
        "weights": network.weights_digest,
        "devices": f"{devices.count} {devices.kind}, {devices.precision}",
        "images": [augmentation.VERSION, decoding.VERSION],
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("graft", "keras", "numpy")} | {
        "tensorflow": import_tensorflow().__version__
    }
