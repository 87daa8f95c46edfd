"""The export step: a version of the model that explains itself and is checked before it counts."""

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common.artifacts.dataset import INDEX, TRAIN, Dataset
from graft.components.common.artifacts.dataset import RECORD as DATASET_RECORD
from graft.components.common.artifacts.encoded import read_encoded
from graft.components.common.artifacts.model import MODEL, read_training
from graft.components.common.artifacts.model import RECORD as TRAINING_RECORD
from graft.components.common.artifacts.records import new_artifact, read_record, write_record
from graft.components.common.artifacts.sums import SUMS, write_sums
from graft.components.common.compute.keras_models import load_model
from graft.components.common.errors import GraftError
from graft.components.common.pages.rendering import visible
from graft.components.common.runs.step_record import Run
from graft.components.common.storage.uris import brief
from graft.components.export.config import ExportConfig
from graft.components.export.formats import KERAS, TENSORFLOW, check_packages
from graft.components.export.model_card import model_card
from graft.components.export.publishing import Published, publish
from graft.components.export.request import example_request

if TYPE_CHECKING:
    from graft.components.export.parity import EvaluatedImages

RECORD = "export.json"
REQUEST = "request.json"
LABELS = "labels.txt"
CARD = "MODEL_CARD.md"
LINEAGE = "lineage"
_EVALUATION_FILES = ("evaluation.json", "predictions.parquet", "report.html")
_CALIBRATION = 128


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What export made.

    Attributes:
        path: The Export's directory.
        version: Its name: the digest of its checksums.
        formats: The formats it holds.
        max_difference: Largest difference of a probability from what the evaluation got, in SavedModel and `.keras`.
        published: Where it was published.
    """

    path: str
    version: str
    formats: list[str]
    max_difference: float
    published: Published

    @property
    def summary(self) -> str:
        """One line for people."""
        made = f"{', '.join(self.formats)}, within {self.max_difference:.1g} of what was evaluated; version {self.version[:12]}"
        if not self.published.uri:
            return made
        latest = "now the latest" if self.published.promoted else f"not promoted: {self.published.reason}"
        return f"{made}, published, {latest}"


def export(
    model: Path,
    dataset: Path,
    evaluation: Path,
    decision: Path,
    output: Path,
    config: ExportConfig = ExportConfig(),  # noqa: B008 (frozen)
    run: Run = Run(),  # noqa: B008
) -> ExportResult:
    """Exports a model that passed the gate, checks the result on real images, and publishes it.

    Args:
        model: A Model's directory.
        dataset: The Dataset that it was evaluated on.
        evaluation: Its Evaluation.
        decision: The gate's Decision about it.
        output: Directory for the Export; it must be empty or not exist.
        config: The step's settings.
        run: The run; in its store, if it has one, the Export is published as a version of the model.

    Raises:
        GraftError: The inputs don't belong together, the gate didn't pass, or a format differs from the trained model, and nothing
            is left in `output`; or it can't be published.
    """
    check_packages(config.formats)
    data = Dataset.load(dataset)
    _check_inputs(model, data, evaluation, decision)
    with new_artifact(output, SUMS):
        formats = _write_formats(model, data, _samples(data, evaluation, config.parity_images), output, config)
        _copy_lineage(model, dataset, evaluation, decision, output / LINEAGE)
        (output / LABELS).write_text("".join(f"{visible(name)}\n" for name in data.classes), encoding="utf-8")
        record = {"classes": data.classes, "formats": formats}
        (output / CARD).write_text(model_card(output / LINEAGE, run.name, record), encoding="utf-8")
        write_record(output / RECORD, record)
        version = write_sums(output)
    published = publish(output, evaluation, run, promote=config.promote == "auto")
    difference = max(formats[form.path]["parity"]["max_difference"] for form in (TENSORFLOW, KERAS))
    return ExportResult(str(output), version, list(formats), difference, published)


def _write_formats(
    model: Path, data: Dataset, samples: "EvaluatedImages", output: Path, config: ExportConfig
) -> dict[str, dict[str, Any]]:
    """Writes all formats, holds each against the evaluation, and returns what `export.json` says of them, by path."""
    from graft.components.export.parity import describe, serving
    from graft.components.export.saved_model import write_saved_model

    shutil.copyfile(model / MODEL, output / KERAS.path)
    with serving(output, KERAS) as compare_keras:  # it loads the file while this process writes the other
        keras_model = load_model(model)
        write_saved_model(keras_model, data.classes, output / TENSORFLOW.path)
        with serving(output, TENSORFLOW) as compare_saved_model:
            parities = {KERAS: compare_keras(samples), TENSORFLOW: compare_saved_model(samples)}
    (output / REQUEST).write_text(example_request(samples.encoded[0]), encoding="utf-8")
    formats = {}
    for form in (TENSORFLOW, KERAS):
        parities[form].check(form)
        formats[form.path] = describe(output, form, parities[form])
    if config.formats:
        from graft.components.export.further import export_further

        calibration = list(read_encoded(data, TRAIN, _spread(data.count(TRAIN), _CALIBRATION)))
        formats |= export_further(keras_model, config.formats, output, samples, calibration)
    return formats


def _samples(data: Dataset, evaluation: Path, count: int) -> "EvaluatedImages":
    """Returns evaluated images from all over the split and the probabilities that the evaluation got for them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graft.components.export.parity import EvaluatedImages

    file = evaluation / "predictions.parquet"
    try:
        table = pq.read_table(file).select([f"probability_{name}" for name in data.classes])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise GraftError(f"{file} is damaged ({brief(error)}): evaluate the model again.") from error
    rows = _spread(len(table), count)
    expected = np.stack([column.to_numpy()[rows] for column in table.columns], axis=1)
    split = read_record(evaluation, "evaluation.json")["split"]
    return EvaluatedImages(list(read_encoded(data, split, rows)), expected)


def _spread(total: int, count: int) -> list[int]:
    """Returns `count` numbers from 0 up to `total`, evenly spread, or all of them if they are fewer."""
    return sorted({round(number * (total - 1) / max(count - 1, 1)) for number in range(count)})


def _check_inputs(model: Path, data: Dataset, evaluation: Path, decision: Path) -> None:
    decided, evaluated, training = (
        read_record(decision, "decision.json"),
        read_record(evaluation, "evaluation.json"),
        read_training(model),
    )
    if decided.get("passed") is not True:
        raise GraftError(f"{decision} says that the model did not pass the gate: only a model that passed is exported.")
    for name, record in (("evaluation", evaluated), ("decision", decided)):
        if record.get("model_digest") != training["model_digest"]:
            raise GraftError(f"The {name} is about another model than {model}: evaluate and judge this model first.")
        if record.get("dataset_digest") != data.digest:
            raise GraftError(f"The {name} is about another dataset than {data.path}: name the one that was evaluated.")


def _copy_lineage(model: Path, dataset: Path, evaluation: Path, decision: Path, folder: Path) -> None:
    """Copies every record, so that the version explains itself when the run's artifacts are long gone."""
    folder.mkdir()
    files = [dataset / DATASET_RECORD, dataset / INDEX, model / TRAINING_RECORD, decision / "decision.json"]
    for file in [*files, *(evaluation / name for name in _EVALUATION_FILES)]:
        shutil.copyfile(file, folder / file.name)
