"""The model card: what a version is, what it can do and what not, from its records.

Its sections follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.decision import Decision
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import listed
from graft.components.common.pages.rendering import visible

_FEW = 100
_SPECIAL = re.compile(r"([\\`*_\[\]<>|&~$])")


def model_card(lineage: Path, name: str, export: Export) -> str:
    """Returns a version's model card, in Markdown.

    Args:
        lineage: Folder of the records of all steps before.
        name: The model's name.
        export: The Export's record.
    """
    evaluation = Evaluation.load(lineage)
    templates = Environment(
        loader=PackageLoader("graft.components.export", "."),
        autoescape=False,  # noqa: S701 (it is Markdown)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escape,
    )
    templates.filters |= {"figure": _figure, "interval": _interval, "listed": listed}
    card = templates.get_template("model_card.md.j2").render(
        name=name,
        training=Model.load(lineage),
        dataset=Dataset.load(lineage),
        evaluation=evaluation,
        decision=Decision.load(lineage),
        export=export,
        thin=[label for label, found in evaluation.metrics.by_class.items() if found.images < _FEW],
    )
    return re.sub(r"\n{3,}", "\n\n", card)


def _escape(value: Any) -> Any:
    """Keeps names and paths from being read as Markdown or HTML, and on their line."""
    return _SPECIAL.sub(r"\\\1", visible(value)) if isinstance(value, str) else value


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _interval(value: Sequence[float] | None) -> str:
    return "unknown" if value is None else f"{value[0]:.3f} to {value[1]:.3f}"
