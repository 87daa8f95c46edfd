"""The curves of an evaluation: ROC, reliability, and how the training went."""

from collections.abc import Mapping, Sequence
from typing import Any

from graft.components.common.pages.charts import BOTTOM, QUARTERS, UNIT, Chart, Points, Scale, round_ticks
from graft.components.evaluate.report.words import shorten

_BAR_SHARE = 0.3


def roc_charts(metrics: Mapping[str, Any], classes: Sequence[str]) -> list[Chart]:
    """Returns ROC curves, a class each: for two classes that of the second, else those with the smallest area first.

    Args:
        metrics: `metrics` of `evaluation.json`.
        classes: The class names in label order.
    """
    found = {name: metrics["roc"][name] for name in classes if name in (metrics.get("roc") or {})}
    areas = {name: (metrics["by_class"].get(name) or {}).get("auc") for name in found}
    charts = []
    for name in sorted(found, key=lambda name: (areas[name] is not None, areas[name] or 0)):
        points = list(zip(found[name]["false_positive_rate"], found[name]["true_positive_rate"], strict=True))
        area = areas[name] if areas[name] is not None or len(classes) > 2 else metrics.get("auc")
        said = "The area under the curve is not known" if area is None else f"Area under the curve {area:.4f}"
        lines = [UNIT.line("even", "", [(0, 0), (1, 1)]), UNIT.line("first", "", points, marked=False)]
        reached = max((true for false, true in points if false <= 0.05), default=None)
        if reached is not None:
            said += f"; at a false positive rate of at most 5%, {reached:.1%} are found"
        axes = ("False positive rate", "True positive rate")
        charts.append(
            Chart(
                f"ROC: {shorten(name)}",
                axes,
                UNIT.ticks(QUARTERS, QUARTERS),
                lines,
                f"{said}. The dotted line is chance.",
            )
        )
    return charts


def reliability_chart(bins: Sequence[Mapping[str, Any]], ece: float | None) -> Chart | None:
    """Returns the reliability curve: how often a class is right that was given some probability; None if there are no bins.

    Args:
        bins: The bins that hold images, by probability.
        ece: The expected calibration error.
    """
    if not bins:
        return None
    points = [(each["confidence"], each["accuracy"]) for each in bins]
    most = max(each["images"] for each in bins)
    bars = []
    for each in bins:
        left, top = UNIT.place(each["low"], _BAR_SHARE * each["images"] / most)
        right, _ = UNIT.place(each["high"], 0)
        bars.append((left + 1, top, round(max(right - left - 2, 0.5), 1), round(BOTTOM - top, 1)))
    sure = bins[-1]
    said = (
        f"Of {sure['images']:,} images given {sure['low']:.0%} to {sure['high']:.0%}, {sure['accuracy']:.1%} are right. "
        f"Expected calibration error {'–' if ece is None else f'{ece:.4f}'}. On the dotted line probabilities are what they say; "
        "the grey bars count images."
    )
    rows = [
        [
            f"{each['low']:.0%}–{each['high']:.0%}",
            f"{each['images']:,}",
            f"{each['confidence']:.1%}",
            f"{each['accuracy']:.1%}",
        ]
        for each in bins
    ]
    return Chart(
        "Reliability",
        ("Probability of the predicted class", "Share that is right"),
        UNIT.ticks(QUARTERS, QUARTERS),
        [UNIT.line("even", "", [(0, 0), (1, 1)]), UNIT.line("first", "", points)],
        said,
        bars=bars,
        header=["Probability", "Images", "Mean probability", "Right"],
        rows=rows,
    )


def learning_charts(training: Mapping[str, Any]) -> list[Chart]:
    """Returns accuracy and loss by epoch; none if nothing is known of them.

    Args:
        training: The content of `training.json`.
    """
    history, best = training.get("history") or [], training.get("best_epoch") or 0
    chosen_by = "set aside" if (training.get("selection") or {}).get("split") == "train" else "validation"
    ends: list[int] = []
    charts = []
    for phase in (training.get("phases") or [])[:-1]:
        ends.append((ends[-1] if ends else 0) + phase["epochs"])
    for name in ("accuracy", "loss"):
        series = [
            ("first", "training images", _numbers(history, name)),
            ("second", f"{chosen_by} images", _numbers(history, f"selection_{name}")),
        ]
        series = [(kind, title, points) for kind, title, points in series if points]
        if not series:
            continue
        values = [value for _, _, points in series for _, value in points]
        ticks = round_ticks(min(values), max(values))
        scale = Scale((0.5, len(history) + 0.5), (ticks[0], ticks[-1]))
        every = max(1, -(-len(history) // 6))
        form = "{:.0%}" if name == "accuracy" and (ticks[1] - ticks[0]) >= 0.0099 else "{:.4g}"
        verticals = [(scale.place(end + 0.5, 0)[0], "layers unfrozen") for end in ends]
        verticals += [(scale.place(best, 0)[0], f"kept: epoch {best}")] if best else []
        shown = ".1%" if name == "accuracy" else ".4f"
        said = [
            f"{title}: {points[0][1]:{shown}} in the first epoch, {points[-1][1]:{shown}} in the last"
            + (f", {dict(points)[best]:{shown}} in the kept one" if best in dict(points) else "")
            for _, title, points in series
        ]
        charts.append(
            Chart(
                name.capitalize(),
                ("Epoch", name.capitalize()),
                scale.ticks(range(1, len(history) + 1, every), ticks, form),
                [scale.line(*each) for each in series],
                "; ".join(said) + ".",
                verticals=verticals,
                header=["Epoch", *(title for _, title, _ in series)],
                rows=[
                    [str(epoch), *(_number(dict(points).get(epoch)) for _, _, points in series)]
                    for epoch in range(1, len(history) + 1)
                ],
            )
        )
    return charts


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _numbers(history: Sequence[Mapping[str, Any]], name: str) -> Points:
    pairs = [(epoch, entry.get(name)) for epoch, entry in enumerate(history, 1)]
    return [(epoch, value) for epoch, value in pairs if value is not None and abs(value) < float("inf")]
