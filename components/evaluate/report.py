"""The report: one self-contained HTML page of an evaluation."""

from collections.abc import Mapping
from typing import Any

from graft.components.common.page import render_page


def render_report(evaluation: Mapping[str, Any]) -> str:
    """Renders an evaluation as a page that needs no network.

    Args:
        evaluation: The content of `evaluation.json`.
    """
    return render_page("graft.components.evaluate", "report.html.j2", evaluation)


def write_report(
    path: Any, evaluation: Any, training: Any, dataset: Any, predictions: Any, images: Any, model: Any
) -> None:
    """Placeholder until merged."""
    path.write_text(render_report({**evaluation, "config": training["config"]}), encoding="utf-8")
