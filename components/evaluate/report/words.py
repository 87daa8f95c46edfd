"""What an evaluation says, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

_NAME_LENGTH = 36
_UNKNOWN = "–"


def shorten(name: str) -> str:
    """Returns a name of at most 36 characters: both ends of it."""
    half = _NAME_LENGTH // 2
    return name if len(name) <= _NAME_LENGTH else f"{name[:half]}…{name[-half + 1 :]}"


def verdict(evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the verdict, a sentence or two a point: how sure, against the champion, on what, and the threshold.

    Args:
        evaluation: The content of `evaluation.json`.
    """
    metrics, split = evaluation["metrics"], evaluation["split"]
    sentences = []
    if interval := metrics.get("accuracy_interval"):
        sentences.append(
            f"On images like these, it gets between {interval[0]:.1%} and {interval[1]:.1%} right (95% confidence, Wilson's interval)."
        )
    sentences.append(_against_champion((evaluation.get("comparisons") or {}).get("champion")))
    if split == "train":
        sentences.append("The model was trained on these images: it tells nothing of others.")
    elif evaluation.get("selected_on_split"):
        sentences.append(
            f"The {split} images had a part in choosing the model's weights, so that on fresh images it may do worse than here."
        )
    elif evaluation.get("dataset_digest") != evaluation.get("trained_on_digest"):
        sentences.append(
            "The model was trained on another dataset: whether it has seen these images there is not known."
        )
    else:
        sentences.append(f"The {split} images had no part in training or in choosing the model: they are fresh to it.")
    if threshold := metrics.get("threshold"):
        sentences.append(_threshold(threshold, evaluation["classes"][1]))
    return sentences


def _against_champion(met: Mapping[str, Any] | None) -> str:
    if met is None:
        return "It was compared with no champion."
    if met.get("difference") is None or met.get("interval") is None:
        return "How it compares with the champion is not known."
    low, high = met["interval"]
    if met["difference"] == 0:
        begin = "It is as accurate as the champion"
    else:
        side = "more" if met["difference"] > 0 else "less"
        begin = f"It is {points(abs(met['difference']), signed=False)} {side} accurate than the champion"
    changes = f"it gains {met['gained']:,} images and loses {met['lost']:,}"
    sure = "which is more than chance" if low > 0 or high < 0 else "which chance alone could make"
    return f"{begin} (95% interval {_span(met['interval'])}), {sure}: {changes}."


def _threshold(threshold: Mapping[str, Any], positive: str) -> str:
    best, at_half = threshold.get("balanced_accuracy"), threshold.get("balanced_accuracy_at_half")
    if threshold.get("best") is None or best is None or at_half is None:
        return "No threshold can be recommended."
    return (
        f"The best threshold for “{positive}” on these images is a probability of {threshold['best']:.3f}: it makes the "
        f"balanced accuracy {best:.1%}; at 0.5 it is {at_half:.1%}."
    )


def points(share: float | None, *, signed: bool = True) -> str:
    """Returns a difference of shares in percentage points, a dash for None."""
    if share is None:
        return _UNKNOWN
    return f"{100 * share:{'+' if signed else ''}.1f} points".replace("-", "−")


def _span(interval: Sequence[float] | None) -> str:
    if interval is None:
        return _UNKNOWN
    low, high = interval
    return f"{100 * low:+.1f} to {100 * high:+.1f} points".replace("-", "−")


def comparisons(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns what is known of each other model that was met: figures by their names; `who` and `uri` come first.

    Args:
        evaluation: The content of `evaluation.json`.
    """
    met = evaluation.get("comparisons") or {}
    return [
        {"who": who, "uri": met[who]["uri"], **_figures(met[who])} for who in ("champion", "anchor") if met.get(who)
    ]


def _figures(met: Mapping[str, Any]) -> dict[str, str]:
    def written(name: str, form: str) -> str:
        return _UNKNOWN if met.get(name) is None else format(met[name], form)

    return {
        "Its accuracy": written("accuracy", ".1%"),
        "This model is better by": points(met.get("difference")),
        "95% interval of that": _span(met.get("interval")),
        "At least (95% sure)": points(met.get("lower")),
        "p that this model is worse": written("p_value", ".3g"),
        "Gained: right now, wrong before": written("gained", ","),
        "Lost: wrong now, right before": written("lost", ","),
        "Both right": written("both_right", ","),
        "Both wrong": written("both_wrong", ","),
        "Left out: it was trained on them": written("left_out", ","),
    }
