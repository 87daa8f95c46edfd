"""The evaluate step: the saved model on the images themselves, not on features kept from training."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from graft.components.common.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.common.model import load_model, read_training
from graft.components.common.records import new_artifact, write_record
from graft.components.evaluate.config import EvaluateConfig

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
        classes: The class names in label order.
    """

    path: str
    split: str
    images: int
    metrics: dict[str, Any]
    classes: list[str]

    @property
    def summary(self) -> str:
        """One line for people."""
        low, high = self.metrics["accuracy_interval"]
        return (
            f"accuracy {self.metrics['accuracy']:.4f} (95% interval {low:.3f} to {high:.3f}), "
            f"AUC {self.metrics['auc']:.4f} on {self.images:,} {self.split} images"
        )


def evaluate(
    model: Path,
    dataset: Path,
    output: Path,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008 (frozen)
) -> EvaluateResult:
    """Runs a saved model on a split's images and writes figures, predictions and a report.

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.
        output: Directory for the Evaluation; it must be empty or not exist.
        config: The step's settings.

    Raises:
        GraftError: Model or dataset can't be used or don't belong together; nothing is left in `output`.
    """
    data, training = Dataset.load(dataset), read_training(model)
    if training["classes"] != data.classes:
        raise GraftError(
            f"The model tells {training['classes']} apart and the dataset holds {data.classes}: use one that fits."
        )
    split = data.evaluation_split if config.split == "auto" else config.split
    with new_artifact(output, RECORD):
        loaded = load_model(model)
        from graft.components.common.predictions import predict
        from graft.components.evaluate.metrics import compute_metrics
        from graft.components.evaluate.report import render_report

        start = time.monotonic()
        probabilities, labels = predict(loaded, data, split, "evaluating images")
        seconds = time.monotonic() - start
        _write_predictions(data, split, probabilities, labels, output / PREDICTIONS)
        content = {
            "split": split,
            "images": len(labels),
            "classes": data.classes,
            "metrics": compute_metrics(probabilities, labels),
            "selected_on_split": training["selection"]["split"] == split,
            "images_per_second": round(len(labels) / seconds, 1),
            "dataset_digest": data.digest,
            "trained_on_digest": training["dataset_digest"],
            "model_digest": training["model_digest"],
            "champion": None,
        }
        (output / REPORT).write_text(render_report({**content, "config": training["config"]}), encoding="utf-8")
        write_record(output / RECORD, content)
    return EvaluateResult(str(output), split, len(labels), content["metrics"], data.classes)


def _write_predictions(data: Dataset, split: str, probabilities: Any, labels: Any, path: Path) -> None:
    """Writes a row an image: its identity, true and predicted class, and a probability a class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    index = data.index(split, ["sha256", "path", "label"])
    if index["label"] != [data.classes[label] for label in labels]:
        raise GraftError(f"{data.path} is damaged (its index and shards differ in order): ingest it again.")
    columns = {**index, "predicted": [data.classes[column] for column in probabilities.argmax(axis=1)]}
    columns |= {f"probability_{name}": probabilities[:, label] for label, name in enumerate(data.classes)}
    pq.write_table(pa.table(columns), path)
