"""The train step: a new head on a frozen backbone, saved as one model that takes images as they are."""

import dataclasses
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common import storage
from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import TrainResult
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.devices import Devices, find_devices
from graft.components.common.compute.keras_models import save_model
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.progress import doing
from graft.components.train.backbones.known import architecture_of
from graft.components.train.backbones.weights import check_weights, local_weights
from graft.components.train.config import TrainConfig

if TYPE_CHECKING:
    import pyarrow as pa

TENSORBOARD, PAGE = "tensorboard", "training.html"


def train(
    dataset: Path,
    output: Path,
    weights: str = "imagenet",
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    store: str = "",
    planned: "pa.Table | None" = None,
) -> TrainResult:
    """Trains a head on the frozen backbone's features and saves backbone and head as one model.

    >>> config = TrainConfig(cut="mixed0", image_size=75, epochs=1, batch_size=16)
    >>> result = train(dataset, folder / "model", weights="random", config=config)
    >>> result.epochs, result.selection_split
    (1, 'train')
    >>> (folder / "model" / "model.keras").is_file()
    True

    Args:
        dataset: A Dataset's directory.
        output: Directory for the Model; it must be empty or not exist.
        weights: `imagenet`, `random`, or a path or URI of a Keras weights file.
        config: The settings; `train_config` makes them of a recipe.
        store: Path or URI of the store, where features and checkpoints are kept for the next training; empty for none.
        planned: What the step's parts were to compute before, as `planned_items` returns it; None for a step without parts.

    Raises:
        GraftError: The dataset, the weights, the store, a device or a setting can't be used; nothing is left in `output`.
    """
    data = Dataset.load(dataset)
    weights = storage.uri_in(weights)
    architecture = architecture_of(config.backbone)
    check_weights(weights, config.weights_sha256, architecture)
    with new_artifact(output, Model.FILE), in_use(data), storage.scratch_folder("train") as scratch:
        clock = _Clock()
        devices = find_devices(config.require_gpu)
        from graft.components.common.compute.passes import naming_damage
        from graft.components.train.features.planned import Planned
        from graft.components.train.features.training_set import collect_training_set
        from graft.components.train.fit.checkpoints import Checkpoints
        from graft.components.train.fit.event_logs import EventLogs
        from graft.components.train.fit.head_training import train_head
        from graft.components.train.network import backbone
        from graft.components.train.network.assembly import build_network, whole_model
        from graft.components.train.training_page import write_page
        from graft.components.train.training_record import training_record

        clock.lap("import")
        file = local_weights(weights, scratch, config.weights_sha256, architecture)
        backbone.number_layers_afresh()
        with devices.strategy.scope(), EventLogs(output / TENSORBOARD, config.tensorboard) as events:
            doing("building the network")
            network = build_network(config, file, devices.precision)
            clock.lap("build")
            doing("preparing the features")
            parts = None if planned is None else Planned.of_table(planned, data)
            training_set = collect_training_set(data, network, config, store, parts)
            clock.lap("features")
            doing("training the head")
            checkpoints = Checkpoints(store, _key(data, config, devices, network))
            with naming_damage(data, TRAIN, training_set.selection_split):
                trained = train_head(data, network, training_set, config, checkpoints, events)
            clock.lap("head")
        doing("saving the model")
        save_model(whole_model(network, trained.head, config), output / Model.KERAS)
        clock.lap("save")
        model = training_record(
            data, config, weights, devices, network, training_set, trained, output / Model.KERAS, _versions()
        )
        doing("drawing the training page")
        write_page(model, data, network, config, output / PAGE)
        clock.lap("pictures")
        model.model_copy(update={"seconds": clock.laps}).write(output)
    checkpoints.clear()
    return TrainResult(
        path=str(output),
        selection_accuracy=model.selection.accuracy,
        selection_split=model.selection.split,
        epochs=len(model.history),
        stopped=model.stopped,
        computed=training_set.computed,
        bytes_read=sum(data.opened.values()) + training_set.bytes_read,
        bytes_written=training_set.bytes_written,
        most_epochs=trained.most_epochs,
    )


def _key(dataset: Dataset, config: TrainConfig, devices: Devices, network: Any) -> dict[str, Any]:
    """Returns all that a training depends on: an attempt with the same goes on where another one stopped.

    Other versions may have other variables or another arithmetic, and so may other devices.
    """
    from graft.components.common.compute import decoding
    from graft.components.train.network import augmentation

    settings = dataclasses.asdict(config)
    for field in (
        "tensorboard",
        "require_gpu",
        "weights_sha256",
        "wanted_accuracy",
    ):  # where it is watched and may run, what was expected, and what is chosen when the training is over
        del settings[field]
    return {
        "layout": 4,  # of the checkpoints themselves, and the order of the images
        "dataset": dataset.digest,
        "config": settings,
        "weights": network.weights_digest,
        "devices": f"{devices.count} {devices.kind}, {devices.precision}",
        "images": [augmentation.VERSION, decoding.VERSION],
        "versions": _versions(),
    }


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("graft", "keras", "numpy")} | {
        "tensorflow": import_tensorflow().__version__
    }
