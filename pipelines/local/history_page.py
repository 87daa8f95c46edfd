"""The runs of a name over time: one self-contained HTML page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.errors import GraftError
from graft.components.common.pages.charts import Chart, Form, Line, chart, plot_lines
from graft.components.common.pages.rendering import render_page, visible
from graft.components.common.runs.past_run import PastRun

HEADER = ("date", "images", "new", "accuracy", "95% interval", "vs champion", "verdict", "seconds")
_NONE = "–"


def cells(run: PastRun) -> list[str]:
    """Returns what a table shows of a run, a text for each title of `HEADER`."""
    low_high = run.accuracy_interval
    texts = [
        run.started[:16].replace("T", " ") or run.run,
        _count(run.images),
        _count(run.new),
        _NONE if run.accuracy is None else f"{run.accuracy:.2%}",
        _NONE if low_high is None else f"{low_high[0]:.1%} to {low_high[1]:.1%}",
        _NONE if run.difference is None else f"{100 * run.difference:+.1f}".replace("-", "−"),
        verdict(run),
        f"{run.seconds:,.0f}",
    ]
    return [visible(text) for text in texts]


def verdict(run: PastRun) -> str:
    """Returns in a few words what became of a run."""
    if run.outcome == Outcome.SUCCEEDED and run.version:
        became = "" if run.promoted is None else ", promoted" if run.promoted else ", not promoted"
        said = f"version {run.version[:12]}{became}"
    elif run.outcome == Outcome.UNCHANGED:
        said = "nothing new"
    elif run.progress:
        said = f"{run.outcome}, {run.progress}"
    else:
        said = run.outcome
    return f"{said}; drift in {', '.join(run.drift)}" if run.drift else said


def write_history(path: Path, name: str, runs: Sequence[PastRun]) -> None:
    """Writes the page of the runs of a name, the oldest first.

    Raises:
        GraftError: The file can't be written.
    """
    values = {"name": name, "runs": [(run, cells(run)) for run in runs], "header": HEADER, "charts_drawn": charts(runs)}
    try:
        path.write_text(render_page("graft.pipelines.local", "history.html.j2", values), encoding="utf-8")
    except OSError as error:
        raise GraftError(f"{path} can't be written ({error.strerror}): name another file.") from error


def charts(runs: Sequence[PastRun]) -> list[Chart]:
    """Returns the curves over time: accuracy, difference from the champion, images, seconds; those of which there is anything."""
    differences = [(run.difference, run.difference_interval) for run in runs]
    accuracy = _line("accuracy", [(run.accuracy, run.accuracy_interval) for run in runs])
    difference = _line("difference on the same images", differences)
    images = _line("in the dataset", [(run.images, None) for run in runs])
    new = _line("read and checked", [(run.new, None) for run in runs])
    seconds = _line("all steps together", [(run.seconds, None) for run in runs])
    drawn = [
        _chart("Accuracy", "share", runs, [accuracy], "{:.2%}".format),
        _chart("Difference from the champion, in points", "points", runs, [difference], lambda it: f"{100 * it:+.2f}"),
        _chart("Images", "count", runs, [images, new], "{:,.0f}".format),
        _chart("Seconds", "count", runs, [seconds], "{:,.0f}".format),
    ]
    return [chart for chart in drawn if chart]


def _line(name: str, values: Sequence[tuple[float | None, tuple[float, float] | None]]) -> Line:
    """Returns a line of values and their intervals by run; a run without a value has no point."""
    points = [(step, value) for step, (value, _) in enumerate(values, 1) if value is not None]
    return Line(name, points, {step: interval for step, (_, interval) in enumerate(values, 1) if interval})


def _chart(
    title: str, form: Form, runs: Sequence[PastRun], lines: Sequence[Line], said: Callable[[float], str]
) -> Chart | None:
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    first, last = lines[0].points[0], lines[0].points[-1]

    def plot(axes: Any) -> None:
        plot_lines(axes, lines, form, len(runs))
        # The title says what goes up: an axis of its own would run into numbers such as 100,000.
        axes.set_xlabel("Run")

    return chart(title, [f"Run {first[0]}: {said(first[1])}; run {last[0]}: {said(last[1])}."], plot)


def _count(value: int | None) -> str:
    return _NONE if value is None else f"{value:,}"
