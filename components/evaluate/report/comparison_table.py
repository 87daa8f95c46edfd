"""The table that holds the challenger against champion and anchor."""

from graft.components.common.artifacts.evaluation import Comparison, Comparisons
from graft.components.evaluate.report.findings import points, span


def comparison_table(comparisons: Comparisons) -> list[dict[str, str]]:
    """Returns a column for each baseline that there is: figures by their names, after `who` and `uri`."""
    return [
        {"who": role, "uri": compared.uri, **_figures(compared)}
        for role, compared in comparisons.by_role().items()
        if compared
    ]


def _figures(compared: Comparison) -> dict[str, str]:
    return {
        "Accuracy of the baseline": f"{compared.accuracy:.1%}",
        "Difference of this model": f"{points(compared.difference)} points",
        "95% interval of the difference": span(compared.interval),
        "Lower bound (95%, one-sided)": f"{points(compared.lower)} points",
        "p-value: this model is worse": f"{compared.p_value:.3g}",
        "Gained: only this model is right": f"{compared.gained:,}",
        "Lost: only the baseline is right": f"{compared.lost:,}",
        "Both right": f"{compared.both_right:,}",
        "Both wrong": f"{compared.both_wrong:,}",
        "Contaminated: left out": f"{compared.left_out:,}",
    }
