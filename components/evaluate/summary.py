"""An evaluation in a few lines and figures, for a run's page in Kubeflow."""

from graft.components.common.artifacts.evaluation import Comparison, Comparisons
from graft.components.common.artifacts.figures import MOST_CLASSES, Metrics
from graft.components.common.artifacts.outcomes.results import EvaluateResult

_SPECIAL = "\\`*_{}[]<>#|!&~"


def figures(metrics: Metrics, comparisons: Comparisons) -> dict[str, float]:
    """Returns the figures by which runs are compared, as far as they are known."""
    low, high = metrics.accuracy_interval
    known: dict[str, float | None] = {
        "accuracy": metrics.accuracy,
        "loss": metrics.loss,
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        "ece": metrics.ece,
        "accuracy_low": low,
        "accuracy_high": high,
    }
    known |= {f"{role}_difference": found.difference for role, found in comparisons.by_role().items() if found}
    return {name: figure for name, figure in known.items() if figure is not None}


def markdown(result: EvaluateResult) -> str:
    """Writes what evaluate found as Markdown."""
    metrics = result.metrics
    low, high = metrics.accuracy_interval
    lines = [
        f"**{metrics.accuracy:.1%} of {result.images:,} {result.split} images right** "
        f"(95% interval {low:.1%} to {high:.1%})",
        "",
        *(
            ["- These images helped to choose the model: on fresh ones it may do worse."]
            if result.selected_on_split
            else []
        ),
        *(
            [f"- Labels that are probably wrong: {result.suspected_labels:,}. The report shows them."]
            if result.suspected_labels
            else []
        ),
        *(_versus(role, compared) for role, compared in result.comparisons.by_role().items()),
        "",
        "| class | images | precision | recall | F1 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in metrics.worst_first[:MOST_CLASSES]:
        found = metrics.by_class[name]
        shown = " | ".join(map(_figure, (found.precision, found.recall, found.f1)))
        lines.append(f"| {_escape(name)} | {found.images:,} | {shown} |")
    if (classes := len(metrics.by_class)) > MOST_CLASSES:
        lines += ["", f"The {MOST_CLASSES} classes with the lowest recall are shown: the report has all {classes:,}."]
    lines += [
        "",
        f"AUC {_figure(metrics.auc)}, average precision {_figure(metrics.average_precision)}, "
        f"cross-entropy {metrics.loss:.4f}, expected calibration error {metrics.ece:.4f}",
    ]
    return "\n".join(lines) + "\n"


def _versus(role: str, compared: Comparison | None) -> str:
    if compared is None:
        return f"- No {role} yet."
    low, high = compared.interval
    against = compared.versus(role)
    return (
        f"- {against[0].upper()}{against[1:]} (95% interval {100 * low:+.1f} to {100 * high:+.1f} points): {compared.gained:,} images "
        f"gained, {compared.lost:,} lost."
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _escape(name: str) -> str:
    """Keeps a class's name from being read as Markdown or HTML."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in " ".join(name.split()))
