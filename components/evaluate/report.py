"""The report: one self-contained HTML page of an evaluation."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_report(evaluation: Mapping[str, Any]) -> str:
    """Renders an evaluation as a page that needs no network.

    Args:
        evaluation: The content of `evaluation.json`.
    """
    templates = Environment(
        loader=PackageLoader("graft.components.evaluate", "."), autoescape=True, undefined=StrictUndefined
    )
    return templates.get_template("report.html.j2").render(evaluation)
