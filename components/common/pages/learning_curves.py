"""The learning curves of a training: for a page, and as files of their own."""

from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.pages.charts import COLOURS, DOTTED, STYLE, THIN, Chart, Line, chart, plot_lines

NAMES = ("accuracy", "loss")
_INCHES, _DPI = (10, 4), 120
_GAP: dict[str, Any] = {"color": COLOURS["validation"], "alpha": 0.1, "linewidth": 0}


def learning_charts(training: Mapping[str, Any]) -> list[Chart]:
    """Returns accuracy and loss by epoch; none if nothing is known of them.

    Args:
        training: The content of `training.json`.
    """
    return [_chart(training, name) for name in NAMES if _series(training, name)]


def write_learning_curves(training: Mapping[str, Any], path: Path) -> None:
    """Writes accuracy and loss by epoch as PNG and SVG.

    Args:
        training: The content of `training.json`.
        path: The files' path, without their suffixes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | {"svg.hashsalt": path.name}):
        figure = Figure(_INCHES, layout="constrained")
        for axes, name in zip(figure.subplots(1, 2), NAMES, strict=True):
            _plot(axes, training, name)
            axes.set_title(name.capitalize())
            axes.legend(frameon=True)
        figure.savefig(path.with_suffix(".png"), dpi=_DPI)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _chart(training: Mapping[str, Any], name: str) -> Chart:
    lines, best = _series(training, name), training.get("best_epoch") or 0
    form = "{:.1%}" if name == "accuracy" else "{:.4f}"
    values = [dict(line.points) for line in lines]
    summary = [
        f"{line.name.capitalize()}: {form.format(line.points[0][1])} in the first epoch, {form.format(line.points[-1][1])} in the last"
        + (f", {form.format(known[best])} in the kept one." if best in known else ".")
        for line, known in zip(lines, values, strict=True)
    ]
    numbers = [["Epoch", *(line.name for line in lines)]]
    for epoch in range(1, len(training["history"]) + 1):
        numbers.append([str(epoch), *(f"{known[epoch]:.4f}" if epoch in known else "–" for known in values)])
    return chart(name.capitalize(), summary, lambda axes: _plot(axes, training, name), numbers)


def _plot(axes: Any, training: Mapping[str, Any], name: str) -> None:
    lines, best = _series(training, name), training.get("best_epoch") or 0
    plot_lines(axes, lines, "share" if name == "accuracy" else "number", len(training["history"]))
    axes.set_xlabel("Epoch")
    kept = f"kept: epoch {best}"
    if len(lines) > 1:
        trained, chosen = (dict(line.points) for line in lines)
        common = [epoch for epoch in trained if epoch in chosen]
        axes.fill_between(common, [trained[epoch] for epoch in common], [chosen[epoch] for epoch in common], **_GAP)
        kept += f", gap {trained[best] - chosen[best]:+.3f}" if best in common else ""
    if best:
        axes.axvline(best, **THIN, label=kept, gid=kept)
    for end in accumulate(phase["epochs"] for phase in (training.get("phases") or [])[:-1]):
        axes.axvline(end + 0.5, **DOTTED, label="layers unfrozen", gid="layers unfrozen")


def _series(training: Mapping[str, Any], name: str) -> list[Line]:
    """Returns the values by epoch of the training images and of those that chose the weights, as far as they are known."""
    held_out = "held-out" if (training.get("selection") or {}).get("split") == "train" else "validation"
    lines = [
        Line(
            title,
            [
                (epoch, entry[key])
                for epoch, entry in enumerate(training.get("history") or [], 1)
                if np.isfinite(np.float64(entry.get(key)))
            ],
        )
        for title, key in (("training images", name), (f"{held_out} images", f"selection_{name}"))
    ]
    return [line for line in lines if line.points]
