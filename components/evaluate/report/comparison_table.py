"""The table that holds the challenger against champion and anchor."""

from collections.abc import Mapping
from typing import Any

from graft.components.evaluate.config import BASELINES
from graft.components.evaluate.report.findings import UNKNOWN, points, span


def comparison_table(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns a column for each baseline that there is: figures by their names, after `who` and `uri`.

    Args:
        evaluation: The content of `evaluation.json`.
    """
    compared = evaluation.get("comparisons") or {}
    return [
        {"who": role, "uri": compared[role]["uri"], **_figures(compared[role])}
        for role in BASELINES
        if compared.get(role)
    ]


def _figures(compared: Mapping[str, Any]) -> dict[str, str]:
    def written(name: str, form: str) -> str:
        return UNKNOWN if compared.get(name) is None else format(compared[name], form)

    return {
        "Accuracy of the baseline": written("accuracy", ".1%"),
        "Difference of this model": points(compared.get("difference")),
        "95% interval of the difference": span(compared.get("interval")),
        "Lower bound (95%, one-sided)": points(compared.get("lower")),
        "p-value: this model is worse": written("p_value", ".3g"),
        "Gained: only this model is right": written("gained", ","),
        "Lost: only the baseline is right": written("lost", ","),
        "Both right": written("both_right", ","),
        "Both wrong": written("both_wrong", ","),
        "Contaminated: left out": written("left_out", ","),
    }
