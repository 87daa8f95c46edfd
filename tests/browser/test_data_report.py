"""The data report in a real browser: whatever the names in it, it fits a phone, everyone can read it, and it fetches nothing."""

import html

import pytest
from accessibility import violations
from data_reports import eventful, make_index, make_record, write_page

pytestmark = pytest.mark.browser

NAMES = ["plain", "eventful"]
OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"
PHONE, DESKTOP = 320, 1280


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    plain, (index, record, broken) = make_index(), eventful()
    write_page(folder / "plain.html", plain, make_record(plain))
    write_page(folder / "eventful.html", index, record, broken)
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_everyone_can_read_it(view, pages, name, scheme, width):
    page = view(pages / f"{name}.html", width, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    assert violations(page) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("opened", [False, True])
def test_it_fits_a_phone(view, pages, name, opened):
    page = view(pages / f"{name}.html", PHONE)
    if opened:
        page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_it_asks_for_nothing_and_complains_of_nothing(view, pages):
    page = view(pages / "eventful.html")
    assert [url for url in page.requests if not url.startswith("data:")] == [page.url]
    assert page.complaints == []
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_it_works_by_keyboard_without_scripts(view, pages):
    page = view(pages / "eventful.html", java_script_enabled=False)
    shares = page.locator("details", has_text="Split fractions")
    assert not shares.locator("table").is_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if shares.locator("summary:focus").count():
            break
    page.keyboard.press("Enter")
    assert shares.locator("table").is_visible()


def test_it_works_in_a_sandboxed_frame(view, pages):
    page = view(pages / "plain.html")
    source = (pages / "eventful.html").read_text(encoding="utf-8")
    page.requests.clear()
    page.set_content(f'<iframe sandbox width="1000" height="800" srcdoc="{html.escape(source)}"></iframe>')
    report = page.frame_locator("iframe")
    assert report.locator("h1").inner_text() == "90 images of 2 classes"
    assert report.locator("img").first.bounding_box()["width"] > 50
    report.locator("summary", has_text="Split fractions").click()
    assert report.locator("table", has_text="requested").is_visible()
    assert all(url.startswith(("data:", "about:")) for url in page.requests)


def test_folded_lists_are_printed(view, pages):
    page = view(pages / "eventful.html")
    table = page.locator("table", has_text="requested")
    assert not table.is_visible()
    page.emulate_media(media="print")
    assert table.is_visible() and table.bounding_box()["height"] > 20
