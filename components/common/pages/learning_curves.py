"""The learning curves of a training: for a page, and as files of their own."""

from itertools import accumulate
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.model import Model
from graft.components.common.pages.charts import COLOURS, DOTTED, STYLE, THIN, Chart, Line, chart, plot_lines

NAMES = ("accuracy", "loss")
_INCHES, _DPI = (10, 4), 120
_GAP: dict[str, Any] = {"color": COLOURS["validation"], "alpha": 0.1, "linewidth": 0}


def learning_charts(training: Model) -> list[Chart]:
    """Returns accuracy and loss by epoch; none of a training without an epoch."""
    return [_chart(training, name) for name in NAMES] if training.history else []


def write_learning_curves(training: Model, path: Path) -> None:
    """Writes accuracy and loss by epoch as PNG and SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | {"svg.hashsalt": path.name}):
        figure = Figure(_INCHES, layout="constrained")
        for axes, name in zip(figure.subplots(1, 2), NAMES, strict=True):
            _plot(axes, training, name)
            axes.set_title(name.capitalize())
            # Where the curves seldom are. Matplotlib's "best" place takes long to find, and warns of it on a slow machine.
            axes.legend(frameon=True, loc="lower right" if name == "accuracy" else "upper right")
        figure.savefig(path.with_suffix(".png"), dpi=_DPI)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _chart(training: Model, name: str) -> Chart:
    lines, best = _series(training, name), training.best_epoch
    form = "{:.1%}" if name == "accuracy" else "{:.4f}"
    summary = []
    for line in lines:
        values = [form.format(value) for _, value in line.points]
        kept = f", {values[best - 1]} in the kept one." if best else "."
        summary.append(f"{line.name.capitalize()}: {values[0]} in the first epoch, {values[-1]} in the last{kept}")
    numbers = [["Epoch", *(line.name for line in lines)]]
    for row in zip(*(line.points for line in lines), strict=True):
        numbers.append([str(row[0][0]), *(f"{value:.4f}" for _, value in row)])
    return chart(name.capitalize(), summary, lambda axes: _plot(axes, training, name), numbers)


def _plot(axes: Any, training: Model, name: str) -> None:
    lines, best = _series(training, name), training.best_epoch
    plot_lines(axes, lines, "share" if name == "accuracy" else "number", len(training.history))
    axes.set_xlabel("Epoch")
    trained, chosen = ([value for _, value in line.points] for line in lines)
    axes.fill_between(range(1, len(training.history) + 1), trained, chosen, **_GAP)
    if best:
        kept = f"kept: epoch {best}, gap {trained[best - 1] - chosen[best - 1]:+.3f}"
        axes.axvline(best, **THIN, label=kept, gid=kept)
    for end in accumulate(phase.epochs for phase in training.phases[:-1]):
        axes.axvline(end + 0.5, **DOTTED, label="layers unfrozen", gid="layers unfrozen")


def _series(training: Model, name: str) -> list[Line]:
    """Returns the values by epoch of the training images and of those that chose the weights."""
    held_out = "held-out" if training.selection.split == TRAIN else "validation"
    return [
        Line(title, [(epoch, getattr(entry, key)) for epoch, entry in enumerate(training.history, 1)])
        for title, key in (("training images", name), (f"{held_out} images", f"selection_{name}"))
    ]
