"""The runs of a name over time: one self-contained HTML page."""

from collections.abc import Callable, Sequence
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.pages.charts import Chart, Points, Scale, round_ticks
from graft.components.common.pages.rendering import render_page, visible
from graft.components.common.runs.past_run import PastRun
from graft.components.common.runs.verdict import Outcome

HEADER = ("date", "images", "new", "accuracy", "95% interval", "to champion", "verdict", "seconds")
_NONE = "–"
_TICKS = 6


def cells(run: PastRun) -> list[str]:
    """Returns what a table shows of a run, a text for each title of `HEADER`.

    Args:
        run: The run.
    """
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
    """Returns in a few words what became of a run.

    Args:
        run: The run.
    """
    if run.outcome == Outcome.SUCCEEDED and run.version:
        became = "" if run.promoted is None else ", the latest" if run.promoted else ", not promoted"
        said = f"version {run.version[:12]}{became}"
    elif run.outcome == Outcome.UNCHANGED:
        said = "nothing new"
    else:
        said = run.outcome
    return f"{said}; new images differ in {', '.join(run.drift)}" if run.drift else said


def write_history(path: Path, name: str, runs: Sequence[PastRun]) -> None:
    """Writes the page.

    Args:
        path: The page's file.
        name: The model's name.
        runs: Its runs, the oldest first.

    Raises:
        GraftError: The file can't be written.
    """
    values = {"name": name, "runs": [(run, cells(run)) for run in runs], "header": HEADER, "charts_drawn": charts(runs)}
    try:
        path.write_text(render_page("graft.pipelines.local", "history.html.j2", values), encoding="utf-8")
    except OSError as error:
        raise GraftError(f"{path} can't be written ({error.strerror}): name another file.") from error


def charts(runs: Sequence[PastRun]) -> list[Chart]:
    """Returns the curves over time: accuracy, difference from the champion, images, seconds; those of which there is anything.

    Args:
        runs: The runs, the oldest first.
    """
    accuracy, difference = _series(runs, lambda run: run.accuracy), _in_points(runs, lambda run: run.difference)
    drawn = [
        _chart(
            "Accuracy",
            "{:.1%}",
            runs,
            [
                ("first", "accuracy", accuracy),
                ("even", "95% interval", _series(runs, lambda run: run.accuracy_interval and run.accuracy_interval[0])),
                ("even", "", _series(runs, lambda run: run.accuracy_interval and run.accuracy_interval[1])),
            ],
            _said(accuracy, "{:.2%}"),
        ),
        _chart(
            "Better than the champion, in points",
            "{:+g}",
            runs,
            [
                ("first", "difference on the same images", difference),
                (
                    "even",
                    "95% interval",
                    _in_points(runs, lambda run: run.difference_interval and run.difference_interval[0]),
                ),
                ("even", "", _in_points(runs, lambda run: run.difference_interval and run.difference_interval[1])),
            ],
            _said(difference, "{:+.2f}"),
        ),
        _chart(
            "Images",
            "{:,.0f}",
            runs,
            [
                ("first", "in the dataset", images := _series(runs, lambda run: run.images)),
                ("second", "read and checked", _series(runs, lambda run: run.new)),
            ],
            _said(images, "{:,.0f}"),
        ),
        _chart(
            "Seconds",
            "{:,.0f}",
            runs,
            [("first", "all steps together", seconds := _series(runs, lambda run: run.seconds))],
            _said(seconds, "{:,.0f}"),
        ),
    ]
    return [chart for chart in drawn if chart]


def _series(runs: Sequence[PastRun], value: Callable[[PastRun], float | None]) -> Points:
    pairs = [(number, value(run)) for number, run in enumerate(runs, 1)]
    return [(float(number), float(found)) for number, found in pairs if found is not None]


def _in_points(runs: Sequence[PastRun], value: Callable[[PastRun], float | None]) -> Points:
    return [(number, 100 * found) for number, found in _series(runs, value)]


def _said(points: Points, form: str) -> str:
    if not points:
        return ""
    first, last = (form.format(points[place][1]) for place in (0, -1))
    return f"Run {points[0][0]:.0f}: {first}; run {points[-1][0]:.0f}: {last}."


def _chart(
    title: str, form: str, runs: Sequence[PastRun], lines: Sequence[tuple[str, str, Points]], said: str
) -> Chart | None:
    values = [value for _, _, points in lines for _, value in points]
    if not values:
        return None
    ticks = round_ticks(min(values), max(values))
    scale = Scale((0.5, len(runs) + 0.5), (ticks[0], ticks[-1]))
    every = max(1, -(-len(runs) // _TICKS))
    places = scale.ticks(range(1, len(runs) + 1, every), ticks, form)
    # The title says what goes up: an axis of its own would run into numbers such as 100,000.
    return Chart(title, ("Run", ""), places, [scale.line(*line) for line in lines if line[2]], said)


def _count(value: int | None) -> str:
    return _NONE if value is None else f"{value:,}"
