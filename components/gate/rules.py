"""The gate's rules: each holds a figure of the evaluation against a threshold; a figure that is missing never passes."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.gate.config import GateConfig

# Of so many images, less two, two models that answer all alike are surely (95%, one-sided) as good as each other but for a margin of 1:
# Bonett and Price's interval, as in evaluate/comparison.py, with nothing gained and nothing lost.
_LEAST = math.sqrt(2) * NormalDist().inv_cdf(0.95)


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule of the gate and how it went.

    Attributes:
        rule: The rule's name, as in the settings.
        threshold: What was asked.
        value: What the evaluation found, or None where it found no number.
        passed: Whether the value is good enough; no number never is, but where there is nothing to compare with.
        sentence: The same in words.
    """

    rule: str
    threshold: float
    value: float | None
    passed: bool
    sentence: str


def judge(evaluation: Mapping[str, Any], config: GateConfig) -> Iterator[Rule]:
    """Applies every rule that is switched on.

    Args:
        evaluation: The content of `evaluation.json`.
        config: The rules' thresholds.

    Yields:
        The rules.
    """
    metrics = _mapping(evaluation.get("metrics"))
    accuracy, what = metrics.get("accuracy"), "accuracy"
    if config.confident:
        interval = metrics.get("accuracy_interval")
        accuracy = interval[0] if isinstance(interval, list) and interval else None
        what = "the lower end of the accuracy's 95% interval"
    yield _rule("min_accuracy", config.min_accuracy, accuracy, what)
    if evaluation.get("split") == TRAIN:
        yield Rule("unseen_images", 1, 0, False, "the model was trained on the images that it was evaluated on")
    if config.min_images is not None:
        yield _rule("min_images", config.min_images, evaluation.get("images"), "the number of images")
    if config.min_auc is not None:
        yield _rule("min_auc", config.min_auc, metrics.get("auc"), "AUC")
    if config.max_ece is not None:
        yield _rule("max_ece", config.max_ece, metrics.get("ece"), "ECE", at_most=True)
    if config.min_class_recall is not None:
        by_class = _mapping(metrics.get("by_class")).items()
        recalls = [(_mapping(found).get("recall"), f"the recall of {name!r}") for name, found in by_class]
        yield _rule("min_class_recall", config.min_class_recall, *_worst(recalls, "the recall of a class"))
    if config.min_slice_accuracy is not None:
        missing = f"accuracy on a slice of at least {config.min_slice_images} images"
        accuracies = [
            (found["accuracy"], f"accuracy where {found['by']} is {found['value']!r}")
            for found in evaluation.get("slices") or []
            if found["images"] >= config.min_slice_images
        ]
        yield _rule("min_slice_accuracy", config.min_slice_accuracy, *_worst(accuracies, missing))
    if config.max_regression is not None:
        for role in ("champion", "anchor"):
            yield _regression(role, config.max_regression, _mapping(evaluation.get("comparisons")))


def _regression(role: str, margin: float, comparisons: Mapping[str, Any]) -> Rule:
    """Judges the difference from a model; that there is none must have been written down by the evaluation."""
    name = f"max_regression_{role}"
    if role in comparisons and comparisons[role] is None:
        return Rule(name, margin, None, True, f"compared with no {role}")
    compared = _mapping(comparisons.get(role))
    lower = _number(compared.get("lower"))
    # How much worse the model may be than the other one, with 95% confidence.
    loss = None if lower is None else -lower
    found = _rule(name, margin, loss, f"how much worse than the {role} it may be", at_most=True)
    images = sum(_number(compared.get(name)) or 0 for name in ("gained", "lost", "both_right", "both_wrong"))
    least = math.ceil(_LEAST / margin - 2) if margin else 0
    if found.passed or not images or images >= least:
        return found
    few = f"{images:,} images were compared, and being so sure takes {least:,}: add some to the evaluated split"
    return dataclasses.replace(found, sentence=f"{found.sentence} ({few})")


def _worst(figures: Sequence[tuple[Any, str]], missing: str) -> tuple[float | None, str]:
    """Returns the lowest figure and its name; one that is missing is lower than any."""
    known = [(_number(value), name) for value, name in figures] or [(None, missing)]
    return min(known, key=lambda entry: -math.inf if entry[0] is None else entry[0])


def _rule(rule: str, threshold: float, value: Any, what: str, *, at_most: bool = False) -> Rule:
    number = _number(value)
    passed = number is not None and (number <= threshold if at_most else number >= threshold)
    fails, limit = ("is above", "allowed") if at_most else ("is below", "required")
    shown = "(missing)" if number is None else _digits(number, threshold)
    return Rule(
        rule, threshold, number, passed, f"{what} {shown} {'meets' if passed else fails} the {limit} {threshold}"
    )


def _digits(number: float, threshold: float) -> str:
    """Writes a number with four decimals, or as many as tell it from the threshold."""
    if isinstance(number, int):
        return f"{number:,}"
    short = f"{number:.4f}"
    return str(number) if float(short) == threshold != number else short


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
