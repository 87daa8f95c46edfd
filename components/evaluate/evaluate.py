"""The evaluate step: the saved model on the images themselves, not on features kept from training."""

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.encoded import read_encoded
from graft.components.common.artifacts.model import read_training
from graft.components.common.artifacts.records import new_artifact, write_record
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.predictions import predict
from graft.components.common.errors import GraftError
from graft.components.common.runs.step_record import Run
from graft.components.evaluate.baselines import Baseline, check_finite, open_baselines, run_baselines
from graft.components.evaluate.comparison import compare_with, versus
from graft.components.evaluate.config import BASELINES, NONE, EvaluateConfig
from graft.components.evaluate.contamination import LOOKS
from graft.components.evaluate.drift import drift_since
from graft.components.evaluate.metrics import compute_metrics
from graft.components.evaluate.report.evaluation_report import write_report
from graft.components.evaluate.slices import COLUMNS, KINDS, make_slices

RECORD = "evaluation.json"
PREDICTIONS = "predictions.parquet"
REPORT = "report.html"

Array = np.ndarray[Any, Any]


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
        against = f"; {versus(champion['difference'], 'champion')}" if champion else ""
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
        config: The split, the baselines and the slices.
        run: The run; unless `config` names baselines, they come from the registry in its store, if it has one.

    Raises:
        GraftError: Model or dataset can't be used or don't belong together; nothing is left in `output`.
    """
    data, training = Dataset.load(dataset), read_training(model)
    if training["classes"] != list(data.classes):
        raise GraftError(
            f"The model tells {', '.join(training['classes'])} apart, and the dataset holds {', '.join(data.classes)}: evaluate it "
            "on a dataset of its own classes, in the same order."
        )
    split = data.evaluation_split if config.split == "auto" else config.split
    index = _read_index(data, split, config)
    digest = training["model_digest"]
    with new_artifact(output, RECORD), open_baselines(config, run, data.classes) as models:
        loaded = load_model(model)
        start = time.monotonic()
        probabilities, labels, features = predict(loaded, data, split, "evaluating images")
        seconds = time.monotonic() - start
        check_finite(probabilities, str(model))
        predicted = probabilities.argmax(axis=1)
        baselines = run_baselines(models, data, split, index, {digest: predicted})
        content = {
            "split": split,
            "images": len(labels),
            "classes": list(data.classes),
            "metrics": compute_metrics(probabilities, labels, data.classes),
            "slices": make_slices(index, predicted == labels, config.slices),
            "comparisons": {
                role: compare_with(baselines[role], digest, predicted, labels) if role in baselines else None
                for role in BASELINES
            },
            "drift": drift_since(models.get("champion"), data, index, features),
            "selected_on_split": split in (TRAIN, training["selection"]["split"]),
            "images_per_second": round(len(labels) / seconds, 1),
            "dataset_digest": data.digest,
            "trained_on_digest": training["dataset_digest"],
            "model_digest": digest,
            "settings": dataclasses.asdict(config)
            | {role: models[role].uri if role in models else NONE for role in BASELINES},
        }
        table = _predictions(data, index, probabilities, baselines.get("champion"))
        pq.write_table(table, output / PREDICTIONS)
        images = functools.partial(read_encoded, data, split)
        write_report(output / REPORT, content, training, data.model_dump(mode="json"), table, images, loaded)
        write_record(output / RECORD, content)
    return EvaluateResult(
        path=str(output),
        **{
            name: content[name]
            for name in ("split", "images", "metrics", "comparisons", "selected_on_split", "classes")
        },
        drift=content["drift"]["flagged"],
    )


def _read_index(data: Dataset, split: str, config: EvaluateConfig) -> dict[str, list[Any]]:
    """Reads what identifies the evaluated images and what slices are made from.

    Raises:
        GraftError: The dataset is damaged, or lacks the split or a column that a slice is to be made from.
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


def _predictions(
    data: Dataset, index: dict[str, list[Any]], probabilities: Array, champion: Baseline | None
) -> pa.Table:
    """Returns a row an image: its identity, true and predicted class, a probability a class, and the champion's answer.

    The champion has no answer for contaminated images.
    """

    def names(numbers: Array, mask: Array | None = None) -> pa.Array:
        return pa.array([data.classes[number] for number in numbers], pa.string(), mask=mask)

    columns: dict[str, Any] = {name: index[name] for name in ("sha256", "path", "label")}
    columns["predicted"] = names(probabilities.argmax(axis=1))
    columns |= {f"probability_{name}": probabilities[:, label] for label, name in enumerate(data.classes)}
    if champion is not None:
        columns["champion"] = names(champion.predicted, champion.contaminated)
    return pa.table(columns)
