"""The gate's rules: each holds a figure of the evaluation against a threshold; a figure that is missing never passes."""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from graft.components.common.artifacts.answers import Answered
from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.decision import Rule
from graft.components.common.artifacts.evaluation import Comparison, Evaluation
from graft.components.common.artifacts.lists.labels_list import LabelCheck
from graft.components.gate.config import GateConfig

# Of so many images, less two, two models that answer all alike are surely (95%, one-sided) as good as each other but for a margin of 1:
# Bonett and Price's interval, as in evaluate/comparison.py, with nothing gained and nothing lost.
_LEAST = math.sqrt(2) * NormalDist().inv_cdf(0.95)

Figure = int | float | None


def judge(evaluation: Evaluation, config: GateConfig) -> Iterator[Rule]:
    """Applies every rule that is switched on.

    Yields:
        The rules.
    """
    metrics = evaluation.metrics
    if config.confident:
        lower = metrics.accuracy_interval[0]
        accuracy = _at_least("min_accuracy", config.min_accuracy, lower, "the lower end of the accuracy's 95% interval")
    else:
        accuracy = _at_least("min_accuracy", config.min_accuracy, metrics.accuracy, "accuracy")
    yield accuracy.model_copy(
        update={"sentence": f"{accuracy.sentence}{_doubt(evaluation.labels)}{_twins(evaluation)}"}
    )
    if evaluation.split == TRAIN:
        yield _rule("unseen_images", 1, 0, False, "the model was trained on the evaluated images")
    if config.min_images is not None:
        yield _at_least("min_images", config.min_images, evaluation.images, "the number of images")
    if config.min_auc is not None:
        yield _at_least("min_auc", config.min_auc, metrics.auc, "AUC")
    if config.max_ece is not None:
        yield _at_most("max_ece", config.max_ece, metrics.ece, "expected calibration error")
    if config.min_class_recall is not None:
        recalls = [(found.recall, f"recall of {name!r}") for name, found in metrics.by_class.items()]
        yield _at_least("min_class_recall", config.min_class_recall, *_worst(recalls, "recall of a class"))
    if config.min_slice_accuracy is not None:
        accuracies = [
            (found.accuracy, f"accuracy where {found.by} is {found.value!r}")
            for found in evaluation.slices
            if found.images >= config.min_slice_images
        ]
        missing = f"accuracy on a slice of at least {config.min_slice_images} images"
        yield _at_least("min_slice_accuracy", config.min_slice_accuracy, *_worst(accuracies, missing))
    yield from _abstaining(evaluation.answered, config)
    if config.max_regression is not None:
        for role, compared in evaluation.comparisons.by_role().items():
            yield _regression(role, config.max_regression, compared, evaluation.comparisons.why_not(role))


def _abstaining(answered: Answered | None, config: GateConfig) -> Iterator[Rule]:
    """Judges how many images the model answers, and how many of the answers are wrong."""
    lacks = (
        "" if answered else " (the model has no abstain_below: train it with wanted_accuracy, or switch the rule off)"
    )
    if config.min_coverage is not None:
        coverage = answered.coverage if answered else None
        yield _at_least("min_coverage", config.min_coverage, coverage, f"the share of answered images{lacks}")
    if config.max_selective_risk is not None:
        risk = answered.risk if answered else None
        what = f"the share of wrong answers{lacks}"
        yield _at_most("max_selective_risk", config.max_selective_risk, risk, what)


def _doubt(labels: LabelCheck) -> str:
    """Says how far wrong labels of the evaluated images may move the accuracy; nothing where none is suspected."""
    if not labels.suspected_here or labels.accuracy_range is None:
        return ""
    low, high = labels.accuracy_range
    number = "1 suspected label" if labels.suspected_here == 1 else f"{labels.suspected_here:,} suspected labels"
    return f" ({number} may move the accuracy to between {low:.4f} and {high:.4f})"


def _twins(evaluation: Evaluation) -> str:
    """Says how many of the evaluated images the model knows the twins of; nothing where it knows none."""
    known = evaluation.trained_twins
    return f" ({known:,} of the {evaluation.images:,} images show pictures that trained the model)" if known else ""


def _regression(role: str, margin: float, compared: Comparison | None, why_not: str) -> Rule:
    """Judges by how much the model may be worse than a baseline, with 95% confidence; `why_not` says why there is none."""
    name = f"max_regression_{role}"
    if compared is None:
        return _rule(name, margin, None, True, why_not)
    loss = -compared.lower
    most = round(100 * margin, 9)
    shown = _digits(round(100 * abs(loss), 9), most, 1)
    if loss < 0:
        return _rule(name, margin, loss, True, f"at least {shown} points better than the {role} (95% confidence)")
    if loss <= margin:
        sentence = f"at most {shown} points worse than the {role} (95% confidence; allowed {most})"
        return _rule(name, margin, loss, True, sentence)
    sentence = f"it may be {shown} points worse than the {role} (95% confidence; allowed {most})"
    least = math.ceil(_LEAST / margin - 2) if margin else 0
    if compared.images < least:
        sentence += f" ({compared.images:,} images were compared and at least {least:,} are needed: add images to the evaluated split)"
    return _rule(name, margin, loss, False, sentence)


def _worst(figures: Sequence[tuple[Figure, str]], missing: str) -> tuple[Figure, str]:
    """Returns the lowest figure and its name; one that is missing is lower than any."""
    return min(figures or [(None, missing)], key=lambda entry: -math.inf if entry[0] is None else entry[0])


def _at_least(name: str, threshold: float, value: Figure, what: str) -> Rule:
    if value is None:
        return _rule(name, threshold, None, False, f"{what} is missing, and at least {threshold} is required")
    passed = value >= threshold
    outcome = "meets the required" if passed else "is below the required"
    return _rule(name, threshold, value, passed, f"{what} {_digits(value, threshold)} {outcome} {threshold:,}")


def _at_most(name: str, threshold: float, value: Figure, what: str) -> Rule:
    if value is None:
        return _rule(name, threshold, None, False, f"{what} is missing, and at most {threshold} is allowed")
    passed = value <= threshold
    outcome = "is within the allowed" if passed else "is above the allowed"
    return _rule(name, threshold, value, passed, f"{what} {_digits(value, threshold)} {outcome} {threshold}")


def _rule(name: str, threshold: float, value: Figure, passed: bool, sentence: str) -> Rule:
    return Rule(rule=name, threshold=threshold, value=value, passed=passed, sentence=sentence)


def _digits(number: float, threshold: float, decimals: int = 4) -> str:
    """Writes a number with so many decimals, or with as many as tell it from the threshold."""
    if isinstance(number, int):
        return f"{number:,}"
    short = f"{number:.{decimals}f}"
    return str(number) if float(short) == threshold != number else short
