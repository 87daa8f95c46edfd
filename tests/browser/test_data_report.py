"""The data report in a real browser: whatever the names in it, it fits a phone, can be read by everyone, and fetches nothing."""

import html

import pytest
from data_reports import eventful, make_index, make_record, write_page

pytestmark = pytest.mark.browser

OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"
PHONE, DESKTOP = {"width": 320, "height": 640}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    plain, (index, record, broken) = make_index(), eventful()
    write_page(folder / "plain.html", plain, make_record(plain))
    write_page(folder / "eventful.html", index, record, broken)
    return folder


@pytest.fixture
def view(browser, reports):
    """Opens a report; `page.requests` holds what it asked for, `page.complaints` what the browser says about it."""
    contexts = []

    def view(name, viewport=DESKTOP, **options):
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((reports / f"{name}.html").as_uri(), wait_until="networkidle")
        return page

    yield view
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", ["plain", "eventful"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_everyone_can_read_it(view, name, scheme, viewport):
    from axe_playwright_python.sync_playwright import Axe

    page = view(name, viewport, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    found = Axe().run(page).response["violations"]
    assert [(problem["id"], problem["nodes"][0]["html"][:200]) for problem in found] == []


@pytest.mark.parametrize("name", ["plain", "eventful"])
@pytest.mark.parametrize("opened", [False, True])
def test_it_fits_a_phone(view, name, opened):
    page = view(name, PHONE)
    if opened:
        page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_it_asks_for_nothing_and_complains_of_nothing(view):
    page = view("eventful")
    assert [url for url in page.requests if not url.startswith("data:")] == [page.url]
    assert page.complaints == []
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_it_works_by_keyboard_without_scripts(view):
    page = view("eventful", java_script_enabled=False)
    pairs = page.locator("details", has_text="Shares of the splits")
    assert not pairs.locator("table").is_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if pairs.locator("summary:focus").count():
            break
    page.keyboard.press("Enter")
    assert pairs.locator("table").is_visible()


def test_it_works_in_a_sandboxed_frame(view, reports):
    page = view("plain")
    source = (reports / "eventful.html").read_text(encoding="utf-8")
    page.requests.clear()
    page.set_content(f'<iframe sandbox width="1000" height="800" srcdoc="{html.escape(source)}"></iframe>')
    report = page.frame_locator("iframe")
    assert report.locator("h1").inner_text() == "90 images of 2 classes"
    assert report.locator("img").first.bounding_box()["width"] > 50
    report.locator("summary", has_text="Shares of the splits").click()
    assert report.locator("table", has_text="asked").is_visible()
    assert all(url.startswith(("data:", "about:")) for url in page.requests)


def test_folded_lists_are_printed(view):
    page = view("eventful")
    table = page.locator("table", has_text="asked")
    assert table.bounding_box() is None or not table.is_visible()
    page.emulate_media(media="print")
    assert table.is_visible() and table.bounding_box()["height"] > 20
