"""The commands that run one step each, with options made from the step's configuration."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclopts import App, Parameter

from graft.components.common.runs.step_record import Run, new_run_id, recorded
from graft.components.evaluate.config import EvaluateConfig
from graft.components.export.config import ExportConfig
from graft.components.gate.config import GateConfig, rules_config
from graft.components.ingest.config import IngestConfig
from graft.components.train.config import ImageSize, TrainConfig
from graft.pipelines.cli.options import ConfigOption, RecipeOption, flatten, given, options_over

flatten(IngestConfig, EvaluateConfig, ExportConfig)
TrainOptions = options_over(TrainConfig, "the recipe")
GateOptions = options_over(GateConfig, "the file of rules")


def register(app: App) -> None:
    """Adds the steps' commands, and what helps to set them up, to the command line."""
    for command in (resolve, ingest, train, evaluate, gate, export, layers):
        app.command(command)


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class RecordOptions:
    """Where the step's run record goes.

    Attributes:
        store: Path or URI of the store; without one no run record, images or features are kept.
        name: The model's name in the store.
        run_id: Identifier of the run in the store; by default one made of the time.
    """

    store: str = ""
    name: str = "model"
    run_id: str = ""

    def run(self) -> Run:
        """Returns the run these options name."""
        return Run(self.store, self.name, self.run_id or new_run_id())


_NO_RECORD = RecordOptions()


def _do(step: str, record: RecordOptions, work: Callable[[Run], Any]) -> Any:
    """Runs a step with its run record, and prints its summary and output."""
    with recorded(step, record.run()) as kept:
        kept.outcome = work(kept.run)
    print(f"{step}: {kept.outcome.summary}")
    if path := getattr(kept.outcome, "path", None):
        print(path)
    return kept.outcome


def resolve(
    *,
    source: str,
    weights: str = "imagenet",
    recipe: RecipeOption = "",
    config: ConfigOption = "",
    force: bool = False,
    record: RecordOptions = _NO_RECORD,
) -> None:
    """Checks that a run can begin, and prints the digest of what it would work on, or `unchanged`.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest (.csv, .jsonl).
        weights: imagenet, random, or path or URI of a Keras weights file.
        recipe: Name of the training's settings, or a .yaml file of them; the default ones if not given.
        config: JSON of settings, a section a step, or a .yaml file of them.
        force: Go on although nothing changed since the last decided run of the name.
        record: Where the run record goes.
    """
    from graft.components.resolve.resolve import resolve as run_step

    def work(run: Run) -> Any:
        return run_step(source, weights, recipe, config, run=run, force=force)

    print(_do("resolve", record, work).digest)


def ingest(
    *,
    source: str,
    output: Path,
    previous: str = "",
    config: IngestConfig = IngestConfig(),  # noqa: B008
    record: RecordOptions = _NO_RECORD,
) -> None:
    """Decodes and checks every image of a folder or archive and writes a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest (.csv, .jsonl).
        output: Folder for the Dataset; it must be empty or not exist.
        previous: Path or URI of an earlier Dataset: its images stay in their split, and with its store are not checked again.
        config: The step's settings.
        record: Where the run record goes.
    """
    from graft.components.ingest.ingest import ingest as run_step

    _do("ingest", record, lambda run: run_step(source, output, config, run=run, previous=previous))


def train(
    *,
    dataset: Path,
    output: Path,
    weights: str = "imagenet",
    recipe: RecipeOption = "",
    config: TrainOptions = TrainOptions(),  # type: ignore[valid-type]  # noqa: B008
    record: RecordOptions = _NO_RECORD,
) -> None:
    """Trains a new head on the frozen backbone and writes a Model.

    Args:
        dataset: A Dataset's folder.
        output: Folder for the Model; it must be empty or not exist.
        weights: imagenet, random, or path or URI of a Keras weights file.
        recipe: Name of the settings to start from, or a .yaml file of them; the default ones if not given.
        config: The step's settings.
        record: Where the run record goes.
    """
    from graft.components.train.recipes import train_config
    from graft.components.train.train import train as run_step

    settings = train_config(recipe, "", given(config))
    _do("train", record, lambda run: run_step(dataset, output, weights, settings, run.store))


def evaluate(
    *,
    model: Path,
    dataset: Path,
    output: Path,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008
    record: RecordOptions = _NO_RECORD,
) -> None:
    """Runs a saved model on images it was not trained on and writes an Evaluation.

    Args:
        model: A Model's folder.
        dataset: A Dataset's folder.
        output: Folder for the Evaluation; it must be empty or not exist.
        config: The step's settings.
        record: Where the run record goes.
    """
    from graft.components.evaluate.evaluate import evaluate as run_step

    _do("evaluate", record, lambda run: run_step(model, dataset, output, config, run))


def gate(
    *,
    evaluation: Path,
    output: Path,
    rules: str = "",
    config: GateOptions = GateOptions(),  # type: ignore[valid-type]  # noqa: B008
    record: RecordOptions = _NO_RECORD,
) -> None:
    """Decides whether an evaluated model may be published; exit code 3 if it may not.

    Args:
        evaluation: An Evaluation's folder.
        output: Folder for the Decision; it must be empty or not exist.
        rules: Path or URI of a .yaml file of rules, such as `min_auc: 0.95`; options win over it.
        config: The step's settings.
        record: Where the run record goes.
    """
    from graft.components.gate.gate import gate as run_step

    _do("gate", record, lambda _: run_step(evaluation, output, rules_config(rules, given(config))))


def export(
    *,
    model: Path,
    dataset: Path,
    evaluation: Path,
    decision: Path,
    output: Path,
    config: ExportConfig = ExportConfig(),  # noqa: B008
    record: RecordOptions = _NO_RECORD,
) -> None:
    """Exports a model that passed the gate, and checks the result on real images.

    Args:
        model: A Model's folder.
        dataset: The Dataset that it was evaluated on.
        evaluation: Its Evaluation.
        decision: The gate's Decision.
        output: Folder for the Export; it must be empty or not exist.
        config: The step's settings.
        record: Where the run record goes.
    """
    from graft.components.export.export import export as run_step

    _do("export", record, lambda run: run_step(model, dataset, evaluation, decision, output, config, run))


def layers(*, image_size: ImageSize = TrainConfig().image_size, every: bool = False) -> None:  # noqa: B008
    """Lists the layers that the backbone can be cut at, with the shape of their output and the parameters up to there.

    Args:
        image_size: Side of the square, in pixels, to which images are resized.
        every: List every layer, not only the blocks.
    """
    from rich.console import Console
    from rich.table import Table

    from graft.components.common.compute.tensorflow import import_tensorflow
    from graft.components.train.network.backbone import describe_layers

    import_tensorflow()
    table = Table("cut", "output", "parameters", box=None, pad_edge=False)
    for name, shape, parameters in describe_layers(image_size):
        if every or name.startswith("mixed"):
            table.add_row(name, "×".join(map(str, shape)), f"{parameters:,}")
    Console(soft_wrap=True, highlight=False).print(table)
