"""What an evaluation found, in sentences: how sure, against the champion, on which images, and which threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = "–"


def verdict(evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the verdict, a sentence or two a point.

    Args:
        evaluation: The content of `evaluation.json`.
    """
    metrics, split = evaluation["metrics"], evaluation["split"]
    sentences = []
    if interval := metrics.get("accuracy_interval"):
        sentences.append(
            f"On images like these it gets {interval[0]:.1%} to {interval[1]:.1%} right (95% confidence, Wilson's interval)."
        )
    sentences.append(_against_champion((evaluation.get("comparisons") or {}).get("champion")))
    if split == "train":
        sentences.append("The model was trained on these images: the figures say nothing about others.")
    elif evaluation.get("selected_on_split"):
        sentences.append(f"The {split} images helped to choose the model's weights: on fresh images it may do worse.")
    elif evaluation.get("dataset_digest") != evaluation.get("trained_on_digest"):
        sentences.append(
            "The model was trained on another dataset. Whether that held some of these images is not known."
        )
    else:
        sentences.append(f"The {split} images had no part in training or in choosing the model.")
    if threshold := metrics.get("threshold"):
        sentences.append(_threshold(threshold, evaluation["classes"][1]))
    return sentences


def _against_champion(compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return "There is no champion yet to compare it with."
    if compared.get("difference") is None or compared.get("interval") is None:
        return "How it compares with the champion is not known."
    low, high = compared["interval"]
    if compared["difference"] == 0:
        begin = "It is as accurate as the champion"
    else:
        side = "more" if compared["difference"] > 0 else "less"
        begin = f"It is {points(abs(compared['difference']), signed=False)} {side} accurate than the champion"
    chance = "That is more than chance." if low > 0 or high < 0 else "That may be chance."
    return (
        f"{begin} (95% interval {span(compared['interval'])}). {chance} It gains {compared['gained']:,} images and loses "
        f"{compared['lost']:,}."
    )


def _threshold(threshold: Mapping[str, Any], positive: str) -> str:
    best, at_half = threshold.get("balanced_accuracy"), threshold.get("balanced_accuracy_at_half")
    if threshold.get("best") is None or best is None or at_half is None:
        return "No threshold can be recommended."
    return (
        f"The best threshold for “{positive}” on these images is a probability of {threshold['best']:.3f}. It gives a balanced "
        f"accuracy of {best:.1%}; 0.5 gives {at_half:.1%}."
    )


def points(share: float | None, *, signed: bool = True) -> str:
    """Returns a difference of shares in percentage points, a dash for None."""
    if share is None:
        return UNKNOWN
    return f"{100 * share:{'+' if signed else ''}.1f} points".replace("-", "−")


def span(interval: Sequence[float] | None) -> str:
    """Returns an interval of a difference of shares in percentage points, a dash for None."""
    if interval is None:
        return UNKNOWN
    low, high = interval
    return f"{100 * low:+.1f} to {100 * high:+.1f} points".replace("-", "−")
