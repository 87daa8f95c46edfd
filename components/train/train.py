"""The train step: a new head on a frozen backbone, saved as one model that takes images as they are."""

from pathlib import Path
from typing import TYPE_CHECKING

from graft.components.common import storage
from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import TrainResult
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.devices import find_devices
from graft.components.common.compute.machine import check_clock
from graft.components.train.backbones.weights import Weights
from graft.components.train.clock import Clock
from graft.components.train.config import TrainConfig
from graft.components.train.features.planned import Planned

if TYPE_CHECKING:
    import pyarrow as pa


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
        GraftError: The dataset, the weights, the store, a device, a setting or the clock can't be used; nothing is left in `output`.
    """
    check_clock()
    data = Dataset.load(dataset)
    parts = None if planned is None else Planned.of_table(planned, data, config)
    pretrained = Weights.checked(weights, config)
    with new_artifact(output, Model.FILE), in_use(data), storage.scratch_folder("train") as scratch:
        clock = Clock()
        devices = find_devices(config.require_gpu)
        from graft.components.train.making import make_model

        clock.lap("import")
        made = make_model(data, output, pretrained.uri, pretrained.file(scratch), config, store, parts, devices, clock)
        made.model.model_copy(update={"seconds": clock.laps}).write(output)
    made.checkpoints.clear()
    model, training_set = made.model, made.training_set
    return TrainResult(
        path=str(output),
        selection_accuracy=model.selection.accuracy,
        selection_split=model.selection.split,
        epochs=len(model.history),
        stopped=model.stopped,
        computed=training_set.computed,
        bytes_read=sum(data.opened.values()) + training_set.bytes_read,
        bytes_written=training_set.bytes_written,
        most_epochs=made.trained.most_epochs,
    )
