"""The gate's rules: each holds a figure of the evaluation against a threshold; a figure that is missing never passes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graft.components.gate.config import GateConfig


@dataclass(frozen=True)
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


def judge(evaluation: Mapping[str, Any], config: GateConfig) -> list[Rule]:
    """Applies every rule that is switched on.

    Args:
        evaluation: The content of `evaluation.json`.
        config: The rules' thresholds.
    """
    return list(_rules(evaluation, config))


def _rules(evaluation: Mapping[str, Any], config: GateConfig) -> Iterator[Rule]:
    metrics = _mapping(evaluation.get("metrics"))
    if config.confident:
        interval = metrics.get("accuracy_interval") or [None]
        yield _at_least("min_accuracy", config.min_accuracy, interval[0], "the lower end of the accuracy's interval")
    else:
        yield _at_least("min_accuracy", config.min_accuracy, metrics.get("accuracy"), "accuracy")
    if config.min_images is not None:
        yield _at_least("min_images", config.min_images, evaluation.get("images"), "the number of images")
    if config.min_auc is not None:
        yield _at_least("min_auc", config.min_auc, metrics.get("auc"), "AUC")
    if config.max_ece is not None:
        yield _at_most("max_ece", config.max_ece, metrics.get("ece"), "ECE")
    if config.min_class_recall is not None:
        by_class = _mapping(metrics.get("by_class")).items()
        recalls = {f"the recall of {name!r}": _number(_mapping(found).get("recall")) for name, found in by_class}
        yield _at_least("min_class_recall", config.min_class_recall, *_worst(recalls, "the recall of a class"))
    if config.min_slice_accuracy is not None:
        slices = [found for found in evaluation.get("slices") or [] if found["images"] >= config.min_slice_images]
        accuracies = {
            f"accuracy where {found['by']} is {found['value']!r}": _number(found["accuracy"]) for found in slices
        }
        missing = f"accuracy on a slice of at least {config.min_slice_images} images"
        yield _at_least("min_slice_accuracy", config.min_slice_accuracy, *_worst(accuracies, missing))
    if config.max_regression is not None:
        for role in ("champion", "anchor"):
            yield _regression(role, config.max_regression, evaluation.get("comparisons"))


def _regression(role: str, margin: float, comparisons: Any) -> Rule:
    """Judges the difference from a model; that there is none must have been written down by the evaluation."""
    if isinstance(comparisons, dict) and role in comparisons and comparisons[role] is None:
        return Rule("max_regression", -margin, None, True, f"there is no {role} to compare with")
    found = _mapping(_mapping(comparisons).get(role))
    what = f"the lower end of the difference from the {role}"
    return _at_least("max_regression", -margin, found.get("lower"), what)


def _worst(figures: Mapping[str, float | None], missing: str) -> tuple[float | None, str]:
    """Returns the lowest figure and its name; one that is missing is lower than any."""
    if not figures:
        return None, missing
    name = min(figures, key=lambda name: -math.inf if figures[name] is None else figures[name] or 0.0)
    return figures[name], name


def _at_least(rule: str, threshold: float, value: Any, what: str) -> Rule:
    number = _number(value)
    passed = number is not None and number >= threshold
    return _rule(rule, threshold, number, passed, what, "required", "is below")


def _at_most(rule: str, threshold: float, value: Any, what: str) -> Rule:
    number = _number(value)
    passed = number is not None and number <= threshold
    return _rule(rule, threshold, number, passed, what, "allowed", "is above")


def _rule(rule: str, threshold: float, number: float | None, passed: bool, what: str, limit: str, fails: str) -> Rule:
    shown = "(missing)" if number is None else f"{number:,}" if isinstance(number, int) else f"{number:.4f}"
    return Rule(
        rule, threshold, number, passed, f"{what} {shown} {'meets' if passed else fails} the {limit} {threshold:g}"
    )


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
