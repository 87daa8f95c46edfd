"""The export step: a version of the model that explains itself and is checked before it counts."""

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common.dataset import INDEX, Dataset
from graft.components.common.dataset import RECORD as DATASET_RECORD
from graft.components.common.encoded import read_encoded
from graft.components.common.errors import GraftError
from graft.components.common.model import MODEL, load_model, read_training
from graft.components.common.model import RECORD as TRAINING_RECORD
from graft.components.common.records import new_artifact, read_record, write_record
from graft.components.common.runs import Run
from graft.components.common.sums import SUMS, write_sums
from graft.components.export.config import ExportConfig
from graft.components.export.publishing import Published, publish
from graft.components.export.request import example_request

if TYPE_CHECKING:
    import numpy as np

RECORD = "export.json"
SAVED_MODEL = "saved_model"
REQUEST = "request.json"
LINEAGE = "lineage"
_EVALUATION_FILES = ("evaluation.json", "predictions.parquet", "report.html")


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What export made.

    Attributes:
        path: The Export's directory.
        version: Its name: the digest of its checksums.
        formats: The formats it holds.
        max_difference: Largest difference of a probability from what the evaluation got.
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
        made = f"{' and '.join(self.formats)}, within {self.max_difference:.1g} of what was evaluated; version {self.version[:12]}"
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
    data = Dataset.load(dataset)
    _check_inputs(model, data, evaluation, decision)
    with new_artifact(output, SUMS):
        keras_model = load_model(model)
        from graft.components.export.parity import check_saved_model
        from graft.components.export.saved_model import write_saved_model

        shutil.copyfile(model / MODEL, output / MODEL)
        write_saved_model(keras_model, data.classes, output / SAVED_MODEL)
        encoded, expected = _samples(data, evaluation, config.parity_images)
        parity = check_saved_model(output / SAVED_MODEL, encoded, expected)
        (output / REQUEST).write_text(example_request(encoded[0]), encoding="utf-8")
        _copy_lineage(model, dataset, evaluation, decision, output / LINEAGE)
        write_record(
            output / RECORD,
            {
                "classes": data.classes,
                "formats": {
                    MODEL: {"bytes": _size(output / MODEL)},
                    SAVED_MODEL: {"bytes": _size(output / SAVED_MODEL), "parity": dataclasses.asdict(parity)},
                },
            },
        )
        version = write_sums(output)
    published = publish(output, evaluation, run, promote=config.promote == "auto")
    return ExportResult(str(output), version, [SAVED_MODEL, MODEL], parity.max_difference, published)


def _samples(data: Dataset, evaluation: Path, count: int) -> tuple[list[bytes], "np.ndarray[Any, Any]"]:
    """Returns evaluated images from all over the split, encoded, and the probabilities that the evaluation got for them."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(evaluation / "predictions.parquet", columns=[f"probability_{name}" for name in data.classes])
    rows = np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))
    expected = np.stack([column.to_numpy()[rows] for column in table.columns], axis=1)
    split = read_record(evaluation, "evaluation.json")["split"]
    return list(read_encoded(data, split, rows.tolist())), expected


def _check_inputs(model: Path, data: Dataset, evaluation: Path, decision: Path) -> None:
    decided, evaluated, training = (
        read_record(decision, "decision.json"),
        read_record(evaluation, "evaluation.json"),
        read_training(model),
    )
    if decided["passed"] is not True:
        raise GraftError(f"{decision} says that the model did not pass the gate: only a model that passed is exported.")
    for name, record in (("evaluation", evaluated), ("decision", decided)):
        if record["model_digest"] != training["model_digest"]:
            raise GraftError(f"The {name} is about another model than {model}: evaluate and judge this model first.")
        if record["dataset_digest"] != data.digest:
            raise GraftError(f"The {name} is about another dataset than {data.path}: name the one that was evaluated.")


def _copy_lineage(model: Path, dataset: Path, evaluation: Path, decision: Path, folder: Path) -> None:
    """Copies every record, so that the version explains itself when the run's artifacts are long gone."""
    folder.mkdir()
    files = [dataset / DATASET_RECORD, dataset / INDEX, model / TRAINING_RECORD, decision / "decision.json"]
    for file in [*files, *(evaluation / name for name in _EVALUATION_FILES)]:
        shutil.copyfile(file, folder / file.name)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
