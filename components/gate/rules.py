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
    yield _at_least("min_accuracy", config.min_accuracy, accuracy, what)
    if evaluation.get("split") == TRAIN:
        yield Rule("unseen_images", 1, 0, False, "the model was trained on the evaluated images")
    if config.min_images is not None:
        yield _at_least("min_images", config.min_images, evaluation.get("images"), "the number of images")
    if config.min_auc is not None:
        yield _at_least("min_auc", config.min_auc, metrics.get("auc"), "AUC")
    if config.max_ece is not None:
        yield _at_most("max_ece", config.max_ece, metrics.get("ece"), "expected calibration error")
    if config.min_class_recall is not None:
        by_class = _mapping(metrics.get("by_class")).items()
        recalls = [(_mapping(found).get("recall"), f"recall of {name!r}") for name, found in by_class]
        yield _at_least("min_class_recall", config.min_class_recall, *_worst(recalls, "recall of a class"))
    if config.min_slice_accuracy is not None:
        missing = f"accuracy on a slice of at least {config.min_slice_images} images"
        accuracies = [
            (found["accuracy"], f"accuracy where {found['by']} is {found['value']!r}")
            for found in evaluation.get("slices") or []
            if found["images"] >= config.min_slice_images
        ]
        yield _at_least("min_slice_accuracy", config.min_slice_accuracy, *_worst(accuracies, missing))
    if config.max_regression is not None:
        for role in ("champion", "anchor"):
            yield _regression(role, config.max_regression, _mapping(evaluation.get("comparisons")))


def _regression(role: str, margin: float, comparisons: Mapping[str, Any]) -> Rule:
    """Judges the difference from a baseline; that there is none must have been written down by the evaluation."""
    rule = f"max_regression_{role}"
    if role in comparisons and comparisons[role] is None:
        return Rule(rule, margin, None, True, f"no {role} yet")
    compared = _mapping(comparisons.get(role))
    lower = _number(compared.get("lower"))
    if lower is None:
        return Rule(rule, margin, None, False, f"the comparison with the {role} is missing")
    loss = -lower  # by so much it may be worse, with 95% confidence
    most = round(100 * margin, 9)
    shown = _digits(round(100 * abs(loss), 9), most, 1)
    if loss < 0:
        return Rule(rule, margin, loss, True, f"at least {shown} points better than the {role} (95% confidence)")
    if loss <= margin:
        return Rule(
            rule, margin, loss, True, f"at most {shown} points worse than the {role} (95% confidence; allowed {most})"
        )
    sentence = f"it may be {shown} points worse than the {role} (95% confidence; allowed {most})"
    images = sum(_number(compared.get(name)) or 0 for name in ("gained", "lost", "both_right", "both_wrong"))
    least = math.ceil(_LEAST / margin - 2) if margin else 0
    if 0 < images < least:
        sentence += (
            f" ({images:,} images were compared and at least {least:,} are needed: add images to the evaluated split)"
        )
    return Rule(rule, margin, loss, False, sentence)


def _worst(figures: Sequence[tuple[Any, str]], missing: str) -> tuple[float | None, str]:
    """Returns the lowest figure and its name; one that is missing is lower than any."""
    known = [(_number(value), name) for value, name in figures] or [(None, missing)]
    return min(known, key=lambda entry: -math.inf if entry[0] is None else entry[0])


def _at_least(rule: str, threshold: float, value: Any, what: str) -> Rule:
    number = _number(value)
    if number is None:
        return Rule(rule, threshold, None, False, f"{what} is missing, and at least {threshold} is required")
    passed = number >= threshold
    outcome = "meets the required" if passed else "is below the required"
    return Rule(rule, threshold, number, passed, f"{what} {_digits(number, threshold)} {outcome} {threshold:,}")


def _at_most(rule: str, threshold: float, value: Any, what: str) -> Rule:
    number = _number(value)
    if number is None:
        return Rule(rule, threshold, None, False, f"{what} is missing, and at most {threshold} is allowed")
    passed = number <= threshold
    outcome = "is within the allowed" if passed else "is above the allowed"
    return Rule(rule, threshold, number, passed, f"{what} {_digits(number, threshold)} {outcome} {threshold}")


def _digits(number: float, threshold: float, decimals: int = 4) -> str:
    """Writes a number with so many decimals, or with as many as tell it from the threshold."""
    if isinstance(number, int):
        return f"{number:,}"
    short = f"{number:.{decimals}f}"
    return str(number) if float(short) == threshold != number else short


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
