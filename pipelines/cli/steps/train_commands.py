"""The command of the train step, and the one that lists the layers to cut the backbone at."""

from pathlib import Path

from cyclopts import CycloptsError
from rich.table import Table

from graft.components.common.artifacts.outcomes.results import TrainResult
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.common.runs.parts import planned_items
from graft.components.common.runs.run import Run
from graft.components.train.backbones.known import BackboneName
from graft.components.train.config import ImageSize, TrainConfig
from graft.components.train.network.backbone import describe_layers
from graft.components.train.parts.part import train_part
from graft.components.train.recipes import train_config
from graft.components.train.train import train as train_step
from graft.pipelines.cli.options import RecipeOption, given, options_over
from graft.pipelines.cli.output import print_table
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_part, run_step

TrainOptions = options_over(TrainConfig, "the recipe")


def train(
    *,
    dataset: Path,
    output: Path | None = None,
    part: str = "",
    weights: str = "imagenet",
    recipe: RecipeOption = "",
    config: TrainOptions = TrainOptions(),  # type: ignore[valid-type]  # noqa: B008
    record: RecordOptions = NO_RECORD,
) -> None:
    """Trains a new head on the frozen backbone and writes a Model.

    Args:
        dataset: A Dataset's folder.
        output: Folder for the Model; it must be empty or not exist. A part makes none.
        part: Only compute a part of the features, such as 2/7 for the second of seven, and leave them in the store. Parts may run at
            once, on many machines. Train then finds what they left, and does what is missing itself. All get the same settings, --store
            and --run-id.
        weights: imagenet, random, or path or URI of a Keras weights file.
        recipe: Name of the settings to start from, or a .yaml file of them; the default ones if not given.
        config: Settings of the step.
        record: Where the run record goes.
    """
    settings = train_config(recipe, "", given(config))
    if (output is None) != bool(part):
        raise GraftError("Name a folder for the Model by --output, or a part by --part, which makes none.")
    if not output:
        run_part("train", record, part, lambda recording: train_part(dataset, weights, settings, recording))
        return

    def work(run: Run) -> TrainResult:
        return train_step(dataset, output, weights, settings, run.store, planned_items(run, "train"))

    run_step("train", record, work)


def layers(
    *,
    backbone: BackboneName = TrainConfig.backbone,
    image_size: ImageSize = TrainConfig.image_size,
    every: bool = False,
) -> None:
    """Lists the layers that a backbone can be cut at.

    Args:
        backbone: The network.
        image_size: Side of the square, in pixels, to which images are resized.
        every: List every layer, not only the blocks.
    """
    try:
        config = TrainConfig(backbone=backbone, image_size=image_size)
    except GraftError as error:  # the image is too small for the backbone
        raise CycloptsError(msg=str(error)) from error
    import_tensorflow()
    table = Table("cut", "output", "parameters", box=None, pad_edge=False)
    for name, shape, parameters in describe_layers(config, every=every):
        table.add_row(name, "×".join(map(str, shape)), f"{parameters:,}")
    print_table(table)
