"""Charts: what they draw stays within the page, in its colours, and is the same every time."""

import re
from xml.etree import ElementTree

import pytest

from graft.components.common.pages.charts import Line, chart, plot_bars, plot_lines, plot_shares

BARS = {"train": [0.25, 0.75], "test": [0.5, 0.5]}
KINDS = {
    "lines": lambda axes: plot_lines(
        axes, [Line("one", [(1, 0.5), (2, 0.7)], {1: (0.4, 0.6), 2: (0.6, 0.8)})], "share", 2
    ),
    "shares": lambda axes: plot_shares(axes, [(0, 0), (0.1, 0.6), (1, 1)], marked=True),
    "bars": lambda axes: plot_bars(axes, BARS, ["a < b", '"c"']),
}


def parsed(drawn):
    return ElementTree.fromstring(f'<svg xmlns:xlink="links">{drawn.svg}</svg>')


def corners(drawn):
    """The corners of all lines and areas, also of those that are defined once and used elsewhere."""
    defined = {}
    for path in parsed(drawn).iter("path"):
        values = [float(text) for text in re.findall(r"-?[\d.]+", path.get("d"))]
        defined[path.get("id")] = list(zip(values[::2], values[1::2], strict=True))
        if not path.get("id"):
            yield from defined[None]
    for use in parsed(drawn).iter("use"):
        for x, y in defined[use.get("{links}href")[1:]]:
            yield x + float(use.get("x")), y + float(use.get("y"))


def numbers(drawn, anchor="end"):
    """What an axis says."""
    texts = re.findall(rf"text-anchor: {anchor}.*>(.*)</text>", drawn.svg)
    return [float(text.replace("−", "-").replace(",", "")) for text in texts]


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_part_of_its_page(kind):
    drawn = chart("A chart", [], KINDS[kind])
    assert not re.search("#[0-9a-f]{6}|//|url|font-family|<style|<metadata", drawn.svg)
    identified = [element.get("id") for element in parsed(drawn).iter() if element.get("id")]
    assert len(set(identified)) == len(identified)
    assert drawn == chart("A chart", [], KINDS[kind])
    other = chart("Another chart", [], KINDS[kind])
    assert not set(identified) & {element.get("id") for element in parsed(other).iter()}, "two of them on one page"


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_stays_within_its_chart(kind):
    drawn = chart("A chart", [], KINDS[kind])
    width, height = drawn.size
    assert all(0 <= x <= width and 0 <= y <= height for x, y in corners(drawn))
    for text in parsed(drawn).iter("text"):
        assert 0 <= float(text.get("x")) <= width and 0 <= float(text.get("y")) <= height


def test_bars_have_tooltips():
    titles = [title.text for title in parsed(chart("Bars", [], KINDS["bars"])).iter("title")]
    assert titles == ["train, a < b: 25.0%", 'train, "c": 75.0%', "test, a < b: 50.0%", 'test, "c": 50.0%']


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.83, 0.937), (0.1419, 0.5821), (0.5, 0.5), (0, 0), (3e-7, 4e-7), (0, 900)]
)
def test_ticks_span_the_values(low, high):
    drawn = chart("Range", [], lambda axes: plot_lines(axes, [Line("", [(1, low), (2, high)])], "number", 2))
    ticks = numbers(drawn)
    scale = 1e-7 if high == 4e-7 else 1
    assert ticks[0] * scale <= low and ticks[-1] * scale >= high and 2 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize("steps", [1, 2, 12, 400])
def test_steps_are_whole_numbers(steps):
    line = Line("", [(step, step) for step in range(1, steps + 1)])
    places = numbers(chart("Steps", [], lambda axes: plot_lines(axes, [line], "count", steps)), "middle")
    assert 1 <= len(places) <= 8 and all(place == int(place) and 0 < place <= steps for place in places)


def test_many_points_have_no_marks():
    few, many = (
        chart(
            "Marks", [], lambda axes, n=n: plot_lines(axes, [Line("", [(x, x % 7) for x in range(1, n)])], "count", n)
        )
        for n in (20, 60)
    )
    assert few.svg.count("<use") > many.svg.count("<use")
