"""An evaluation in a few lines and figures, for a run's page in Kubeflow."""

from collections.abc import Mapping
from typing import Any

from graft.components.evaluate.comparison import versus
from graft.components.evaluate.evaluate import EvaluateResult

_FIGURES = ("accuracy", "loss", "auc", "average_precision", "ece")
_SPECIAL = "\\`*_{}[]<>#|!&~"


def figures(metrics: Mapping[str, Any], comparisons: Mapping[str, Any]) -> dict[str, float]:
    """Returns the figures by which runs are compared, as far as they are known.

    Args:
        metrics: As `compute_metrics` returns them.
        comparisons: With champion and anchor, as `compare` returns them, or None.
    """
    found = {name: metrics[name] for name in _FIGURES if metrics[name] is not None}
    low, high = metrics["accuracy_interval"]
    found |= {"accuracy_low": low, "accuracy_high": high}
    return found | {f"{role}_difference": entry["difference"] for role, entry in comparisons.items() if entry}


def markdown(result: EvaluateResult) -> str:
    """Writes what evaluate found as Markdown.

    Args:
        result: The step's result.
    """
    metrics = result.metrics
    low, high = metrics["accuracy_interval"]
    lines = [
        f"**{metrics['accuracy']:.1%} of {result.images:,} {result.split} images right** "
        f"(95% interval {low:.1%} to {high:.1%})",
        "",
        *(
            ["- These images helped to choose the model: on fresh ones it may do worse."]
            if result.selected_on_split
            else []
        ),
        *(_versus(role, entry) for role, entry in result.comparisons.items()),
        "",
        "| class | images | precision | recall | F1 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, found in metrics["by_class"].items():
        shown = " | ".join(_figure(found[key]) for key in ("precision", "recall", "f1"))
        lines.append(f"| {_escape(name)} | {found['images']:,} | {shown} |")
    lines += [
        "",
        f"AUC {_figure(metrics['auc'])}, average precision {_figure(metrics['average_precision'])}, "
        f"cross-entropy {metrics['loss']:.4f}, expected calibration error {metrics['ece']:.4f}",
    ]
    return "\n".join(lines) + "\n"


def _versus(role: str, entry: Mapping[str, Any] | None) -> str:
    if not entry:
        return f"- No {role} yet."
    low, high = entry["interval"]
    against = versus(entry["difference"], role)
    return (
        f"- {against[0].upper()}{against[1:]} (95% interval {100 * low:+.1f} to {100 * high:+.1f} points): {entry['gained']:,} images "
        f"gained, {entry['lost']:,} lost."
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _escape(name: str) -> str:
    """Keeps a class's name from being read as Markdown or HTML."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in " ".join(name.split()))
