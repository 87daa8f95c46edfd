"""The evaluation report in a real browser, also in the frame that the KFP UI puts it in."""

import html
import json

import pytest
from accessibility import violations
from data_reports import HOSTILE
from evaluation_reports import FIVE, Made

from graft.components.common.artifacts.evaluation import Evaluation

pytestmark = pytest.mark.browser

NAMES = ["two", "five", "twenty", "faultless"]
OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"
LOADED = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
PHONE, DESKTOP = 375, 1440
A4 = 718  # 210 mm less Chromium's margins, at 96 dpi
# What frontend/src/components/viewers/HTMLViewer.tsx of kubeflow/pipelines makes of an HTML artifact.
FRAME = '<iframe sandbox="allow-scripts" style="border: 0; width: 100%; height: 780px" srcdoc="{}"></iframe>'


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "two": Made(),
        "five": Made(FIVE, 300, 90, champion=True, suspects=5),
        "twenty": Made([f"class {number}" for number in range(20)], 1000, 300),
        "faultless": Made(wrong=0, champion=True),
    }
    for name, evaluation in made.items():
        evaluation.write(folder / f"{name}.html")
    return folder


@pytest.fixture(scope="module")
def run(chain):
    """The report of a real run, which has mistakes to show."""
    assert Evaluation.load(chain / "evaluation").metrics.accuracy < 1
    return chain / "evaluation"


def outside(requests, own):
    return [url for url in requests if not url.startswith(("data:", "about:")) and url != own]


# Each on either width and in either scheme; both of these together are one style sheet for all, which one of them shows.
LOOKS = [(name, *look) for name in NAMES for look in [(PHONE, "light"), (DESKTOP, "dark")]]


@pytest.mark.parametrize(("name", "width", "scheme"), [*LOOKS, ("two", PHONE, "dark"), ("two", DESKTOP, "light")])
def test_everyone_can_read_it(view, pages, name, width, scheme):
    page = view(pages / f"{name}.html", width, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    page.locator("label[for=cell-0-1], label[for=cell-0-0]").last.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_shows_its_images_and_hides_them(view, pages, name):
    page = view(pages / f"{name}.html", java_script_enabled=False)
    assert page.locator(".behind:visible").count() == 0
    page.locator("label[for=cell-0-0]").click()
    assert page.locator(".behind:visible").get_attribute("id") == "images-cell-0-0"
    assert page.locator(".behind:visible img").first.bounding_box()["width"] > 50
    page.locator("label[for=cell-none]").click()
    assert page.locator(".behind:visible").count() == 0


def test_it_works_by_keyboard_alone(view, pages):
    page = view(pages / "two.html", java_script_enabled=False)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("#cell-none:focus").count():
            break
    for cell in ("0-0", "0-1", "1-0", "1-1"):
        page.keyboard.press("ArrowRight")
        assert page.locator(".behind:visible").get_attribute("id") == f"images-cell-{cell}"
    more = page.locator("details", has_text="The numbers")
    while not more.first.locator("summary:focus").count():
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert more.first.locator("table").is_visible()


def test_a_large_matrix_scrolls_by_itself(view, pages):
    page = view(pages / "twenty.html", PHONE)
    region = page.get_by_role("region", name="Confusion matrix")
    assert region.evaluate("region => region.scrollWidth > region.clientWidth")
    region.evaluate("region => region.scrollLeft = 1000")
    box = page.locator(".matrix tbody th").first.bounding_box()
    assert 0 <= box["x"] < 30, "the true class stays in sight"


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_slices_lie_on_one_scale(view, pages, width):
    page = view(pages / "two.html", width)
    evaluation = Made().evaluation
    low = int(10 * min(each.interval[0] for each in evaluation.slices)) / 10
    drawn = {}
    for row in page.locator("tr:has(.range)").all():
        scale, bar, point, even = (row.locator(part).bounding_box() for part in (".range", "i", "b", "u"))
        places = (bar["x"], bar["x"] + bar["width"], point["x"] + point["width"] / 2, even["x"])
        name = row.locator("th bdi").inner_text()
        drawn[name] = [low + (1 - low) * (place - scale["x"]) / scale["width"] for place in places]
    assert len(drawn) == len(evaluation.slices)
    for each in evaluation.slices:
        known = [*each.interval, each.accuracy, evaluation.metrics.accuracy]
        assert drawn[each.value] == pytest.approx(known, abs=0.01)


def test_names_are_not_markup(view, pages):
    page = view(pages / "five.html")
    assert page.complaints == [] and page.locator("script").count() == 0
    assert outside(page.requests, page.url) == []
    assert HOSTILE[:25] in page.locator("main").inner_text()


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_labels_to_look_at_stand_beside_what_they_look_like(view, pages, width):
    page = view(pages / "five.html", width, java_script_enabled=False)
    suspects = page.locator(".suspects > li")
    assert suspects.count() == 5 and page.get_by_role("heading", name="Labels to look at").is_visible()
    second = suspects.nth(1)
    said = second.locator("p").first.inner_text()
    assert said.startswith("Label dogs") and ", looks like אבג" in said and ", 98.7%" in said
    boxes = [image.bounding_box() for image in second.locator("img").all()]
    assert len(boxes) == 3 and all(40 < box["width"] <= 112 for box in boxes)
    assert len({round(box["y"]) for box in boxes[1:]}) == 1, "neighbours stand in a row"
    assert second.locator(".nearest").inner_text().count("no picture") == 1


@pytest.mark.parametrize("name", NAMES)
def test_print_has_what_is_folded_and_what_scrolls(view, pages, name):
    page = view(pages / f"{name}.html", A4)
    numbers = page.locator("details table").first
    assert not numbers.is_visible()
    page.emulate_media(media="print")
    assert numbers.is_visible() and numbers.bounding_box()["height"] > 20
    assert page.evaluate("document.documentElement.scrollWidth") <= A4, "nothing is cut off"


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_report_of_a_real_run(view, run, width):
    confusion = json.loads((run / "evaluation.json").read_text())["metrics"]["confusion"]
    page = view(run / "report.html", width)
    assert page.complaints == [] and outside(page.requests, page.url) == []
    check_cells(page, confusion)
    assert page.evaluate(LOADED)
    assert page.locator("img[alt^='Heat map for']").count() == sum(confusion[0][1:]) + sum(confusion[1][:1])
    page.evaluate(OPEN_ALL)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_it_works_in_the_kfp_ui_s_frame(view, run, width, tmp_path):
    confusion = json.loads((run / "evaluation.json").read_text())["metrics"]["confusion"]
    source = html.escape((run / "report.html").read_text(encoding="utf-8"))
    (tmp_path / "kfp.html").write_text(
        f"<!doctype html><title>KFP</title><link rel=icon href=data:,>{FRAME.format(source)}"
    )
    page = view(tmp_path / "kfp.html", width)
    (frame,) = page.frames[1:]
    check_cells(frame, confusion)
    assert frame.evaluate(LOADED)
    assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.complaints == [] and outside(page.requests, page.url) == []


def check_cells(page, confusion):
    """Clicks every cell that has images and finds them below."""
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            label = page.locator(f"label[for=cell-{row}-{column}]")
            assert label.count() == (count > 0)
            if count:
                label.click()
                shown = page.locator(".behind:visible")
                assert shown.count() == 1 and shown.locator("img:visible").count() == count
