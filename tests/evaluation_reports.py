"""Reports of made-up evaluations."""

import base64
from collections import Counter

import numpy as np
import pyarrow as pa
from data_reports import HOSTILE, Page, jpeg
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.figures import MOST_CLASSES, MOST_CONFUSED
from graft.components.common.artifacts.lists.labels_list import CheckedSplit, LabelCheck
from graft.components.common.artifacts.model import Model
from graft.components.evaluate.labels.label_check import Place
from graft.components.evaluate.report.evaluation_report import write_report
from graft.components.evaluate.report.suspects import ShownImage, ShownSuspect

TWO = ("cats", "dogs")
FIVE = ("cats", f"dogs {HOSTILE}", "אבג\u202e", "a <b>bold</b> & 'quoted' class", "x" * 200)
BOTH = {
    "uri": "gs://models/pets/versions/0123456789ab",
    "model_digest": "c" * 64,
    "accuracy": 0.9,
    "difference": 0.02,
    "interval": [-0.01, 0.05],
    "lower": -0.004,
    "p_value": 0.91,
    "gained": 40,
    "lost": 20,
    "both_right": 880,
    "both_wrong": 60,
}
TRAINING = Model.model_validate(
    {
        "config": {
            **{"backbone": "inception_v3", "cut": "mixed7", "mirror": False, "learning_rate": 0.003},
            **{"tensorboard": "", "augmentation": "off", "unfreeze": ""},
        },
        "backbone": "inception_v3",
        "classes": ["cats", "dogs"],
        "layers": [],
        "history": [
            {
                "loss": 0.5 / epoch,
                "accuracy": 0.95 - 0.2 / epoch,
                "selection_loss": 0.6 / epoch,
                "selection_accuracy": 0.93 - 0.2 / epoch,
            }
            for epoch in range(1, 13)
        ],
        "best_epoch": 9,
        "stopped": "all epochs",
        "phases": [
            {"name": "head", "epochs": 8, "stopped": "all epochs"},
            {"name": "unfrozen layers", "epochs": 4, "stopped": "all epochs"},
        ],
        "selection": {"split": "train", "images": 200, "accuracy": 0.93},
        "training_images": 1600,
        "features": {"computed": 10, "cached": 90},
        "dataset_digest": "d" * 64,
        "weights": "inception_v3_notop.h5",
        "weights_digest": "e" * 64,
        "model_digest": "a" * 64,
        "devices": {"kind": "CPU", "count": 1, "precision": "float32"},
        "seconds": {},
        "versions": {"graft": "0.1.0", "keras": "3.15.1"},
    }
)


def changed(record, **changes):
    """A record of which some fields are others; given as JSON has them."""
    return type(record).model_validate(record.model_dump(mode="json") | changes)


def evaluation_of(probabilities, labels, classes, **changes):
    """Returns an evaluation, all figures being those of scikit-learn where it has them."""
    predicted, size = probabilities.argmax(axis=1), len(classes)
    numbers = np.arange(size)
    right, sure = predicted == labels, probabilities.max(axis=1)
    figures = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
    by_class, roc = {}, {}
    for number, name in enumerate(classes):
        is_it = labels == number
        known = 0 < is_it.sum() < len(labels)
        score = probabilities[:, number]
        by_class[name] = {
            "images": int(is_it.sum()),
            "precision": float(figures[0][number]) if (predicted == number).any() else None,
            "recall": float(figures[1][number]) if is_it.any() else None,
            "recall_interval": interval(right[is_it]) if is_it.any() else None,
            "f1": float(figures[2][number]) if is_it.any() else None,
            "auc": float(roc_auc_score(is_it, score)) if known else None,
            "average_precision": float(average_precision_score(is_it, score)) if known else None,
        }
        if known and (size > 2 or number == 1):
            # The first threshold is infinite, which JSON has no word for.
            curve = [values.clip(max=1).tolist() for values in roc_curve(is_it, score)]
            roc[name] = dict(zip(("false_positive_rate", "true_positive_rate", "thresholds"), curve, strict=True))
    edges = np.linspace(0, 1, 11)
    bins = np.minimum((sure * 10).astype(int), 9)
    areas = [figures["auc"] for figures in by_class.values() if figures["auc"] is not None]
    metrics = {
        "accuracy": float(right.mean()),
        "accuracy_interval": interval(right),
        "loss": float(-np.log(probabilities[np.arange(len(labels)), labels].clip(1e-9)).mean()),
        "auc": float(np.mean(areas)) if areas else None,
        "average_precision": 0.9 if areas else None,
        "confusion": confusion_matrix(labels, predicted, labels=numbers).tolist() if size <= MOST_CLASSES else [],
        "confused": [] if size <= MOST_CLASSES else confused_in(labels, predicted, classes),
        "ece": 0.0123,
        "by_class": by_class,
        "reliability": [
            {
                "low": float(edges[number]),
                "high": float(edges[number + 1]),
                "images": int((bins == number).sum()),
                "confidence": float(sure[bins == number].mean()),
                "accuracy": float(right[bins == number].mean()),
            }
            for number in range(10)
            if (bins == number).any()
        ],
        "threshold": {"best": 0.47, "balanced_accuracy": 0.95, "balanced_accuracy_at_half": 0.94}
        if size == 2
        else None,
        "roc": roc,
    }
    values = [*[("class", name, labels == number) for number, name in enumerate(classes)]]
    values += [("size", side, np.arange(len(labels)) % 2 == odd) for odd, side in enumerate(("up to 400 px", "larger"))]
    content = {
        "split": "validation",
        "images": len(labels),
        "classes": list(classes),
        "selected_on_split": False,
        "dataset_digest": "d" * 64,
        "trained_on_digest": "d" * 64,
        "model_digest": "a" * 64,
        "images_per_second": 33.3,
        "metrics": metrics,
        "slices": [
            {
                "by": by,
                "value": value,
                "images": int(mask.sum()),
                "accuracy": float(right[mask].mean()),
                "interval": interval(right[mask]),
            }
            for by, value, mask in values
            if mask.any()
        ],
        "comparisons": {"champion": None, "anchor": None},
        "settings": {},
        **changes,
    }
    return Evaluation.model_validate(content)


def confused_in(labels, predicted, classes):
    """The pairs of classes that are mistaken most often, as a record of many classes has them."""
    pairs = Counter((int(true), int(other)) for true, other in zip(labels, predicted, strict=True) if true != other)
    worst = sorted(pairs.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_CONFUSED]
    return [{"true": classes[true], "predicted": classes[other], "images": n} for (true, other), n in worst]


def interval(right):
    """Wilson's 95% interval of a share."""
    n, p, z = len(right), right.mean(), 1.96
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [float((middle - half) / (1 + z * z / n)), float((middle + half) / (1 + z * z / n))]


def shown_suspect(number, path, classes):
    """A suspected image with three neighbours, of which one has no picture."""

    def image(row, drawn=True):
        place = Place("validation", row, path, classes[row % len(classes)])
        uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg(row, (112, 80))).decode()}"
        return ShownImage(place, path[:30], uri if drawn else "")

    neighbours = tuple(image(number + near, drawn=near < 3) for near in (1, 2, 3))
    return ShownSuspect(image(number), classes[(number + 1) % len(classes)], 0.987, neighbours)


class Made:
    """A made-up evaluation, ready for its report.

    Args:
        classes: The class names.
        images: How many images there are.
        wrong: How many of them are mistakes.
        champion: Whether there was a champion, which erred on some images of its own.
        suspects: How many labels are probably wrong.
    """

    def __init__(self, classes=TWO, images=60, wrong=12, champion=False, suspects=0):
        random = np.random.default_rng(0)
        size = len(classes)
        labels = np.arange(images) % size
        predicted = np.where(np.arange(images) < wrong, (labels + 1) % size, labels)
        probabilities = random.dirichlet(np.full(size, 0.3), images).astype(np.float32)
        rows = np.arange(images)
        highest = probabilities.argmax(axis=1)
        probabilities[rows, highest], probabilities[rows, predicted] = (
            probabilities[rows, predicted],
            probabilities[rows, highest],
        )
        names = [f"validation/{number:04}.jpg" if number % 7 else f"{number} {HOSTILE}" for number in range(images)]
        columns = {
            "sha256": [f"{number:064x}" for number in range(images)],
            "path": names,
            "label": [classes[label] for label in labels],
            "predicted": [classes[label] for label in predicted],
        }
        columns["confidence"] = probabilities.max(axis=1)
        if champion:
            columns["champion"] = [
                classes[label if row % 3 else (label + 1) % size] for row, label in enumerate(labels)
            ]
        self.predictions = pa.table(columns)
        met = {"champion": BOTH if champion else None, "anchor": {**BOTH, "uri": "anchor"} if champion else None}
        self.evaluation = evaluation_of(probabilities, labels, classes, comparisons=met)
        dataset = {
            "classes": list(classes),
            "counts": {split: dict.fromkeys(classes, 30) for split in ("train", "validation")},
            "digest": "d" * 64,
            "source": f"{HOSTILE} \udcff",
            "source_digest": "",
            "warnings": ["Class 'x' has few images \udcff."],
            "settings": {"validation_fraction": 0.2, "limit": 0, "sha256": ""},
            **{key: [] for key in ("excluded", "duplicates", "ignored", "columns", "shards")},
            **{"fractions": {}, "converted": {}, "checked": 60, "reused": 0},
        }
        self.dataset = Dataset.model_validate(dataset)
        self.training, self.asked = TRAINING, []
        self.suspects = [shown_suspect(number, names[number], classes) for number in range(suspects)]
        if suspects:
            splits = (CheckedSplit(split="validation", images=images, suspected=suspects),)
            labels = LabelCheck(splits=splits, accuracy_without=0.75, accuracy_range=(0.68, 0.72))
            self.evaluation = self.evaluation.model_copy(update={"labels": labels})

    def images(self, rows):
        """Encoded pictures of these rows."""
        self.asked.append(list(rows))
        return (jpeg(row, (300, 200) if row % 2 else (160, 240)) for row in rows)

    def write(self, path, model=None):
        """Writes the report and returns its page."""
        write_report(
            path, self.evaluation, self.training, self.dataset, self.predictions, self.images, model, self.suspects
        )
        return Page(path.read_text(encoding="utf-8"))
