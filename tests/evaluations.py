"""A small evaluation, as `evaluation.json` has it, and as an object."""

from graft.components.common.artifacts.evaluation import Evaluation

METRICS = {
    "accuracy": 0.95,
    "accuracy_interval": [0.93, 0.97],
    "loss": 0.1,
    "auc": 0.98,
    "average_precision": 0.97,
    "ece": 0.03,
    "reliability": [],
    "threshold": None,
    "confusion": [[485, 15], [35, 465]],
    "roc": {},
    "by_class": {
        name: {
            "images": 500,
            "precision": 0.95,
            "recall": recall,
            "recall_interval": [0.9, 0.99],
            "f1": 0.95,
            "auc": 0.98,
            "average_precision": 0.97,
        }
        for name, recall in (("cats", 0.97), ("dogs", 0.93))
    },
}


ANSWERED = {
    **{"wanted_accuracy": 0.98, "abstain_below": 0.9, "images": 800, "coverage": 0.8},
    **{"wrong": 16, "risk": 0.02, "risk_upper": 0.03},
}


def slice_of(by, value, images, accuracy):
    """A slice."""
    return {"by": by, "value": value, "images": images, "accuracy": accuracy, "interval": [0.0, 1.0]}


def comparison(lower, images=1000):
    """A comparison with a baseline that is as good, of which so much is certain."""
    return {
        "uri": "models/pets",
        "model_digest": "c" * 64,
        "accuracy": 0.95,
        "difference": 0.0,
        "interval": [-0.03, 0.03],
        "lower": lower,
        "p_value": 0.5,
        **{"gained": 0, "lost": 0, "both_right": images, "both_wrong": 0},
    }


EVALUATION = {
    "schema_version": 2,
    "split": "validation",
    "images": 1000,
    "classes": ["cats", "dogs"],
    "metrics": METRICS,
    "slices": [
        slice_of("brightness", "0–80", 300, 0.91),
        slice_of("brightness", "81–90", 29, 0.5),
        slice_of("class", "cats", 500, 0.97),
    ],
    "comparisons": {"champion": comparison(-0.019), "anchor": comparison(-0.012)},
    "selected_on_split": False,
    "images_per_second": 30.0,
    **{"dataset_digest": "d" * 64, "trained_on_digest": "d" * 64, "model_digest": "a" * 64},
    "settings": {},
}


def evaluated(**changes):
    """The evaluation, some fields of it being others."""
    return Evaluation.model_validate(EVALUATION | changes)
