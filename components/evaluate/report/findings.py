"""What an evaluation found, in sentences: how sure, against the champion, on which images, and which threshold."""

from graft.components.common.artifacts.answers import Answered
from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.evaluation import Comparisons, Evaluation
from graft.components.common.artifacts.figures import Threshold
from graft.components.common.artifacts.record import Interval


def verdict(evaluation: Evaluation) -> list[str]:
    """Returns the verdict, a sentence or two a point."""
    low, high = evaluation.metrics.accuracy_interval
    sentences = [
        f"On images like these it gets {low:.1%} to {high:.1%} right (95% confidence, Wilson's interval).",
        _against_champion(evaluation.comparisons),
        _independence(evaluation),
    ]
    if doubt := _doubt(evaluation):
        sentences.append(doubt)
    if threshold := evaluation.metrics.threshold:
        sentences.append(_best_threshold(threshold, evaluation.classes[1]))
    if evaluation.answered:
        sentences.append(_answers(evaluation.answered))
    return sentences


def no_champion(comparisons: Comparisons) -> str:
    """Says in a sentence why there is no champion to compare with."""
    why = comparisons.why_not("champion")
    return f"It is {why}." if "champion" in comparisons.left_out else f"There is {why} to compare it with."


def _against_champion(comparisons: Comparisons) -> str:
    compared = comparisons.champion
    if compared is None:
        return no_champion(comparisons)
    low, high = compared.interval
    chance = "That is more than chance." if low > 0 or high < 0 else "That may be chance."
    return (
        f"It is {compared.versus('champion')} (95% interval {span(compared.interval)}). {chance} It gains {compared.gained:,} images "
        f"and loses {compared.lost:,}."
    )


def _independence(evaluation: Evaluation) -> str:
    """Says whether the images are independent of the model."""
    if evaluation.split == TRAIN:
        return "The model was trained on these images: the figures say nothing about others."
    if evaluation.selected_on_split:
        return f"The {evaluation.split} images helped to choose the model's weights: on fresh images it may do worse."
    if evaluation.dataset_digest != evaluation.trained_on_digest:
        return "The model was trained on another dataset. Whether that held some of these images is not known."
    if evaluation.trained_twins:
        return (
            f"{evaluation.trained_twins:,} of the {evaluation.images:,} {evaluation.split} images show pictures that trained the model, as "
            "copies, near twins, or twins of twins: on fresh images it may do worse."
        )
    return f"The {evaluation.split} images had no part in training or in choosing the model."


def _doubt(evaluation: Evaluation) -> str:
    """Says how far wrong labels may move the accuracy; nothing where none is suspected."""
    labels = evaluation.labels
    if not labels.suspected_here or labels.accuracy_range is None:
        return ""
    low, high = labels.accuracy_range
    which = f"{labels.suspected_here:,} of the {evaluation.images:,} {evaluation.split} labels"
    verb = "is" if labels.suspected_here == 1 else "are"
    without = (
        "" if labels.accuracy_without is None else f"On the others the accuracy is {labels.accuracy_without:.1%}. "
    )
    return f"{which} {verb} probably wrong. {without}Whichever of them are wrong, the accuracy on all is {low:.1%} to {high:.1%}."


def _best_threshold(threshold: Threshold, positive: str) -> str:
    return (
        f"The best threshold for “{positive}” on these images is a probability of {threshold.best:.3f}. It gives a balanced "
        f"accuracy of {threshold.balanced_accuracy:.1%}; 0.5 gives {threshold.balanced_accuracy_at_half:.1%}."
    )


def _answers(answered: Answered) -> str:
    if answered.risk is None:
        return f"It is confident for none of the images: none has a probability of {answered.abstain_below:.4f}."
    return (
        f"It is confident for {answered.coverage:.1%} of the images, and {1 - answered.risk:.1%} of these are right: at least "
        f"{1 - answered.risk_upper:.1%} with 95% confidence (wanted: {answered.wanted_accuracy:.1%})."
    )


def points(share: float) -> str:
    """Returns a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def span(interval: Interval) -> str:
    """Returns an interval of a difference of shares in percentage points."""
    low, high = interval
    return f"{points(low)} to {points(high)} points"
