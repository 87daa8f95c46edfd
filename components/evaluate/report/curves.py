"""The curves of an evaluation: ROC, reliability, and risk by coverage."""

from collections.abc import Sequence
from typing import Any

from graft.components.common.artifacts.answers import Answered, RiskCoverage
from graft.components.common.artifacts.figures import Bin, Metrics, RocCurve
from graft.components.common.pages.charts import COLOURS, THIN, Chart, chart, plot_by_share, plot_shares
from graft.components.common.pages.rendering import shorten

_BAR_SHARE = 0.3
_FEW = 0.05
_ROWS = 20


def roc_charts(metrics: Metrics, classes: Sequence[str], most: int) -> list[Chart]:
    """Returns ROC curves, a class each: for two classes that of the second, else those with the smallest area first.

    Args:
        metrics: The evaluation's figures.
        classes: The class names in label order.
        most: How many curves to return at most.
    """
    areas = {name: metrics.by_class[name].auc or 0.0 for name in classes if name in metrics.roc}
    return [
        _roc_chart(shorten(name), metrics.roc[name], areas[name])
        for name in sorted(areas, key=areas.__getitem__)[:most]
    ]


def _roc_chart(name: str, curve: RocCurve, area: float) -> Chart:
    points = list(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True))
    summary = f"The area under the curve is {area:.4f}."
    reached = max((true for false, true in points if false <= _FEW), default=None)
    if reached is not None:
        summary += f" At a false positive rate of at most {_FEW:.0%}, the true positive rate is {reached:.1%}."

    def plot(axes: Any) -> None:
        plot_shares(axes, points, marked=False)
        axes.set(xlabel="False positive rate", ylabel="True positive rate")

    return chart(f"ROC: {name}", [f"{summary} The dotted line is chance."], plot)


def reliability_chart(bins: Sequence[Bin], ece: float) -> Chart:
    """Returns the reliability curve: how often a class is right that was given some probability."""
    sure = bins[-1]
    summary = (
        f"Of {sure.images:,} images with a probability of {sure.low:.0%} to {sure.high:.0%}, "
        f"{sure.accuracy:.1%} are right. The expected calibration error is {ece:.4f}. "
        "On the dotted line the share that is right equals the probability. The grey bars count images."
    )
    names = [f"{each.low:.0%}–{each.high:.0%}" for each in bins]
    numbers = [["Probability", "Images", "Mean probability", "Right"]]
    for name, each in zip(names, bins, strict=True):
        numbers.append([name, f"{each.images:,}", f"{each.confidence:.1%}", f"{each.accuracy:.1%}"])

    def plot(axes: Any) -> None:
        most = max(each.images for each in bins)
        for name, each in zip(names, bins, strict=True):
            height, middle = _BAR_SHARE * each.images / most, (each.low + each.high) / 2
            width = 0.94 * (each.high - each.low)
            axes.bar(middle, height, width, color=COLOURS["line"], gid=f"{name}: {each.images:,} images")
        plot_shares(axes, [(each.confidence, each.accuracy) for each in bins], marked=True)
        axes.set(xlabel="Probability of the predicted class", ylabel="Share that is right")

    return chart("Reliability", [summary], plot, numbers)


def risk_coverage_chart(curve: RiskCoverage, answered: Answered | None) -> Chart:
    """Returns the share of wrong answers by the share of images that are answered, the most confident ones first."""
    points = list(zip(curve.coverage, curve.risk, strict=True))
    summary = [
        f"If all images are answered, {points[-1][1]:.1%} of the answers are wrong. Fewer are if only the most confident ones are."
    ]
    if answered:
        summary.append(
            f"The line stands where the model is confident: {answered.coverage:.1%} of the images are answered."
        )
    numbers = [["Answered", "Wrong of these", "From a confidence of"]]
    numbers += [
        [f"{coverage:.1%}", f"{risk:.1%}", f"{confidence:.4f}"]
        for coverage, risk, confidence in zip(curve.coverage, curve.risk, curve.confidence, strict=True)
    ][:: max(1, len(points) // _ROWS)]

    def plot(axes: Any) -> None:
        plot_by_share(axes, points)
        if answered:
            axes.axvline(answered.coverage, **THIN)
        axes.set(xlabel="Share of the images that is answered", ylabel="Share of the answers that is wrong")

    return chart("Risk by coverage", summary, plot, numbers)
