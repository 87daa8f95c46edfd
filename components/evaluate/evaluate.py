"""The evaluate step: the saved model on the images themselves, not on features kept from training."""

import contextlib
import dataclasses
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.components.common.artifacts.dataset import INDEX, TRAIN, Dataset
from graft.components.common.artifacts.encoded import read_encoded
from graft.components.common.artifacts.model import read_training
from graft.components.common.artifacts.records import new_artifact, write_record
from graft.components.common.compute.keras_models import load_model
from graft.components.common.errors import GraftError
from graft.components.common.runs.step_record import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.contender import Contender
from graft.components.evaluate.overlap import LOOKS, read_index
from graft.components.evaluate.rivals import NONE, ROLES, open_rivals
from graft.components.evaluate.slices import COLUMNS, KINDS, make_slices

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

RECORD = "evaluation.json"
PREDICTIONS = "predictions.parquet"
REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class EvaluateResult:
    """What evaluate found.

    Attributes:
        path: The Evaluation's directory.
        split: The split that the model was judged on.
        images: How many images it has.
        metrics: The figures, as `compute_metrics` returns them.
        comparisons: With champion and anchor, as `compare` returns them; None for one that there is not.
        selected_on_split: Whether these images had a part in choosing the model.
        classes: The class names in label order.
        drift: In what the images that are new since the champion differ from the old ones.
    """

    path: str
    split: str
    images: int
    metrics: dict[str, Any]
    comparisons: dict[str, Any]
    selected_on_split: bool
    classes: list[str]
    drift: list[str] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line for people."""
        low, high = self.metrics["accuracy_interval"]
        auc = self.metrics["auc"]
        champion = self.comparisons["champion"]
        against = f"; {100 * champion['difference']:+.1f} points against the champion" if champion else ""
        drift = f"; new images differ in {', '.join(self.drift)}" if self.drift else ""
        return (
            f"accuracy {self.metrics['accuracy']:.4f} (95% interval {low:.3f} to {high:.3f}), "
            f"AUC {'unknown' if auc is None else format(auc, '.4f')} on {self.images:,} {self.split} images{against}{drift}"
        )


def evaluate(
    model: Path,
    dataset: Path,
    output: Path,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008 (frozen)
    run: Run = Run(),  # noqa: B008
) -> EvaluateResult:
    """Runs a saved model on a split's images and writes figures, predictions and a report.

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.
        output: Directory for the Evaluation; it must be empty or not exist.
        config: The step's settings.
        run: The run; the registry in its store, if it has one, has the models to compare with unless others are named.

    Raises:
        GraftError: Model or dataset can't be used or don't belong together; nothing is left in `output`.
    """
    data, training = Dataset.load(dataset), read_training(model)
    if training["classes"] != list(data.classes):
        raise GraftError(
            f"The model tells {training['classes']} apart and the dataset holds {list(data.classes)}: use one that fits."
        )
    split = data.evaluation_split if config.split == "auto" else config.split
    index = _read_index(data, split, config)
    with new_artifact(output, RECORD), contextlib.ExitStack() as opened:
        others = open_rivals(config, run, list(data.classes), opened)
        loaded = load_model(model)
        from graft.components.common.compute.predictions import predict
        from graft.components.evaluate.meeting import Meeting, check_numbers
        from graft.components.evaluate.metrics import compute_metrics
        from graft.components.evaluate.report.evaluation_report import write_report

        start = time.monotonic()
        probabilities, labels, features = predict(loaded, data, split, "evaluating images")
        seconds = time.monotonic() - start
        check_numbers(probabilities, str(model))
        meeting = Meeting(data, split, index, labels, training["model_digest"], probabilities.argmax(axis=1))
        comparisons = {role: meeting.compare(role, others[role]) if role in others else None for role in ROLES}
        met = others.get("champion")
        champion = None if met is None else (meeting.predicted[met.digest], meeting.fair(met))
        table = _write_predictions(data, index, probabilities, labels, champion, output / PREDICTIONS)
        drift = _drift(met, data, index, features)
        right = probabilities.argmax(axis=1) == labels
        content = {
            "split": split,
            "images": len(labels),
            "classes": data.classes,
            "metrics": compute_metrics(probabilities, labels, data.classes),
            "slices": make_slices(index, right, config.slices),
            "comparisons": comparisons,
            "drift": drift,
            "selected_on_split": split in (TRAIN, training["selection"]["split"]),
            "images_per_second": round(len(labels) / seconds, 1),
            "dataset_digest": data.digest,
            "trained_on_digest": training["dataset_digest"],
            "model_digest": training["model_digest"],
            "settings": dataclasses.asdict(config)
            | {role: others[role].uri if role in others else NONE for role in ROLES},
        }
        images = functools.partial(read_encoded, data, split)
        write_report(output / REPORT, content, training, data.model_dump(mode="json"), table, images, loaded)
        write_record(output / RECORD, content)
    figures = (content["metrics"], comparisons, content["selected_on_split"])
    return EvaluateResult(str(output), split, len(labels), *figures, list(data.classes), drift["flagged"])


def _drift(
    champion: Contender | None, data: Dataset, index: dict[str, list[Any]], features: "np.ndarray[Any, Any]"
) -> dict[str, Any]:
    """Compares what is new since the champion with what it was made from."""
    from graft.components.evaluate.drift import COLUMNS, measure_drift

    if champion is None:
        return {"reason": "there is no champion whose images they could be compared with", "flagged": []}
    if champion.index is None:
        return {"reason": f"{champion.uri} has no index of the images that it was made from", "flagged": []}
    old = read_index(champion.index, COLUMNS, champion.uri)
    today = read_index(data.path / INDEX, COLUMNS, str(data.path))
    return measure_drift(old, today, index, features)


def _read_index(data: Dataset, split: str, config: EvaluateConfig) -> dict[str, list[Any]]:
    """Reads what identifies the evaluated images and what slices are made from.

    Raises:
        GraftError: The dataset is damaged, or has no column that a slice is to be made from.
    """
    known = [name for name in data.columns if name not in KINDS]
    if unknown := [name for name in config.slices if name not in known]:
        remedy = (
            f"there are {', '.join(map(repr, known))}" if known else "it was made from no manifest with such columns"
        )
        raise GraftError(f"evaluate: slices names {unknown[0]!r}, which is no further column of {data.path}: {remedy}.")
    if split not in data.counts:
        raise GraftError(
            f"{data.path} has no split {split!r}: evaluate on {' or '.join(data.counts)}, or ingest with it."
        )
    return data.index(split, list(dict.fromkeys([*LOOKS, *COLUMNS, *config.slices])))


def _write_predictions(
    data: Dataset,
    index: dict[str, list[Any]],
    probabilities: "np.ndarray[Any, Any]",
    labels: "np.ndarray[Any, Any]",
    champion: "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None",
    path: Path,
) -> "pa.Table":
    """Writes a row an image: its identity, true and predicted class, a probability a class, and the champion's answer.

    The champion's answers come with bool [N], false for the images that it was trained on: there it has none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def names(numbers: Any, mask: Any = None) -> pa.Array:
        return pa.array([data.classes[number] for number in numbers], pa.string(), mask=mask)

    columns: dict[str, Any] = {name: index[name] for name in ("sha256", "path", "label")}
    columns["predicted"] = names(probabilities.argmax(axis=1))
    columns |= {f"probability_{name}": probabilities[:, label] for label, name in enumerate(data.classes)}
    if champion is not None:
        answers, fair = champion
        columns["champion"] = names(answers, ~fair)
    table = pa.table(columns)
    pq.write_table(table, path)
    return table
