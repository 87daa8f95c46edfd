"""Charts of a page: SVG that matplotlib draws, in the page's colours, light or dark.

A chart's own texts must be Graft's: what a source holds goes into the page around it, where it is escaped.
"""

import dataclasses
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

Points = Sequence[tuple[float, float]]
Form = Literal["share", "points", "count", "number"]
"""How an axis writes its values: 0.125 as 12.5% or, a difference, as +12.5; 1234 as 1,234; or as they are."""

COLOURS = {
    "train": "#0072b2",
    "validation": "#d55e00",
    "test": "#00865f",
    "quiet": "#000000",
    "line": "#b0b0b0",
    "page": "#ffffff",
}
"""What stands for the page's colours, by their names in its style; the last three are those that matplotlib takes by itself."""

STYLE: dict[str, Any] = {
    "axes.autolimit_mode": "round_numbers",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.xmargin": 0,
    "axes.ymargin": 0,
    "font.size": 11,
    "grid.linestyle": (0, (2, 3)),
    "legend.frameon": False,
    "lines.markersize": 4.8,
    "svg.fonttype": "none",
    "ytick.major.size": 0,
}
"""What matplotlib is told about every chart."""

THIN: dict[str, Any] = {"color": COLOURS["quiet"], "linewidth": 1}
DOTTED: dict[str, Any] = THIN | {"linestyle": (0, (1, 3))}
_FIRST: dict[str, Any] = {"color": COLOURS["train"], "marker": "o"}
_SECOND = {"color": COLOURS["validation"], "marker": "s", "markerfacecolor": COLOURS["page"], "linestyle": "--"}
_MAX_MARKS = 40
_SHORT = 24  # characters of a legend that fits in one line
_QUARTERS = (0, 0.25, 0.5, 0.75, 1)
# In pixels, of which an inch has 72 here: the drawing, what is around its plot, and a line of its legend.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM, _KEY = 346, 240, 56, 14, 10, 44, 17


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: What it shows.
        points: Its points.
        band: 95% intervals around it: low and high, by the points' x.
    """

    name: str
    points: Points
    band: Mapping[float, tuple[float, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart, ready for `charts.html.j2`.

    Attributes:
        title: What it shows.
        summary: What it says, a sentence an item.
        size: Width and height of the drawing.
        svg: What stands inside the `svg` element.
        numbers: Rows of its numbers, the first being their heads; empty for no table.
    """

    title: str
    summary: Sequence[str]
    size: tuple[int, int]
    svg: str
    numbers: Sequence[Sequence[str]]


def chart(
    title: str, summary: Sequence[str], plot: Callable[[Any], None], numbers: Sequence[Sequence[str]] = ()
) -> Chart:
    """Draws a chart, with a legend of all that `plot` gave a label, and a tooltip for each `gid` of several words.

    Args:
        title: What it shows; no two charts of a page have the same.
        summary: What it says, a sentence an item.
        plot: Puts it into the `matplotlib.axes.Axes` that it is given.
        numbers: Rows of its numbers, the first being their heads.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title}):
        figure = Figure()
        axes = figure.add_subplot()
        plot(axes)
        handles, names = axes.get_legend_handles_labels()
        columns = len(names) if sum(map(len, names)) <= _SHORT else 1
        keys = _KEY * -(-len(names) // max(columns, 1))
        height = _HEIGHT + keys
        figure.set_size_inches(_WIDTH / 72, height / 72)
        figure.subplots_adjust(_LEFT / _WIDTH, (_BOTTOM + keys) / height, 1 - _RIGHT / _WIDTH, 1 - _TOP / height)
        if names:
            figure.legend(
                handles, names, loc="lower left", ncols=columns, borderpad=0, borderaxespad=0.2, labelspacing=0.35
            )
        return Chart(title, summary, (_WIDTH, height), _inline(figure), numbers)


def _inline(figure: Any) -> str:
    """Returns what a figure's SVG element holds: with the page's colours and font, with tooltips, without names and requests."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = file.getvalue()
    svg = svg[svg.index("</defs>") + len("</defs>") : svg.rindex("</svg>")]
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r"<g id=(['\"])(.+ .+)\1>", r"<g><title>\2</title>", svg)
    return re.sub(r'(?<=<g) id="[^"]*"| clip-path="[^"]*"|; font-family: [^;"]*|(?<=\n) +', "", svg)


def plot_lines(axes: Any, lines: Sequence[Line], form: Form, steps: int) -> None:
    """Plots one line or two over numbered steps, such as epochs.

    Args:
        axes: The `matplotlib.axes.Axes` to plot into.
        lines: One or two; x counts the steps from 1.
        form: How the axis writes its values.
        steps: How many steps the axis has room for.
    """
    for look, line in zip((_FIRST, _SECOND), lines, strict=False):
        _plot(axes, look, line.points, label=line.name)
        if line.band:
            low, high = zip(*line.band.values(), strict=True)
            band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            axes.fill_between(list(line.band), low, high, **band, label="95% interval")
    axes.set_xlim(0.5, steps + 0.5)
    axes.locator_params("x", integer=True, nbins=7, steps=(1, 2, 5, 10), min_n_ticks=1)
    axes.locator_params("y", integer=form == "count", nbins=5)
    _write(axes.yaxis, form)


def plot_shares(axes: Any, points: Points, *, marked: bool) -> None:
    """Plots a line between 0 and 1 on both axes, its points marked or not, with the diagonal to compare it with."""
    axes.plot((0, 1), (0, 1), **DOTTED)
    _plot(axes, _FIRST if marked else _FIRST | {"marker": ""}, points)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=_QUARTERS, yticks=_QUARTERS)


def plot_by_share(axes: Any, points: Points) -> None:
    """Plots a share by another one, which goes from 0 to 1."""
    _plot(axes, _FIRST | {"marker": ""}, points)
    axes.set(xlim=(0, 1), xticks=_QUARTERS)
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        _write(axis, "share")


def plot_bars(axes: Any, shares: Mapping[str, Sequence[float]], names: Sequence[str]) -> None:
    """Plots shares as bars, side by side for each name.

    Args:
        axes: The axes.
        shares: A share for each name, by split.
        names: What each group of bars stands for; the first is at 0, the next at 1.
    """
    width = 0.86 / len(shares)
    for place, (split, values) in enumerate(shares.items()):
        middles = [number - 0.43 + (place + 0.5) * width for number in range(len(names))]
        bars = axes.bar(middles, values, width, color=COLOURS[split], label=split)
        for bar, name, share in zip(bars, names, values, strict=True):
            bar.set_gid(f"{split}, {name}: {share:.1%}")
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.locator_params("y", nbins=4)
    _write(axes.yaxis, "share")


def _plot(axes: Any, look: Mapping[str, Any], points: Points, **more: Any) -> None:
    marks = {} if len(points) <= _MAX_MARKS else {"marker": ""}
    axes.plot(*zip(*points, strict=True), clip_on=False, linewidth=2, **{**look, **marks, **more})


def _write(axis: Any, form: Form) -> None:
    from matplotlib.ticker import PercentFormatter

    forms = {"share": PercentFormatter(1), "points": lambda share, _: f"{100 * share:+g}", "count": "{x:,.0f}"}
    if form in forms:
        axis.set_major_formatter(forms[form])
