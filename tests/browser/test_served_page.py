"""The page of `graft serve` in a real browser: a photograph is dropped on it and told what it shows, and no other site may ask."""

import base64
import zipfile

import pytest
import requests
from accessibility import violations
from served import graft_serve
from web import web_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE, DESKTOP = 320, 1280
HOSTILE = "<img src=x onerror=alert(1)>.jpg"
FILE = """([name, content]) => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0))], name));
    return dropped;
}"""


@pytest.fixture(scope="module")
def url(chain):
    with graft_serve(chain / "export") as server:
        yield server.url


@pytest.fixture(scope="module")
def photograph(photographs):
    with zipfile.ZipFile(photographs) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("cat.200.jpg")))


def ask(url, content):
    """Returns what the server answers to a file."""
    instance = {"image_bytes": {"b64": base64.b64encode(content).decode()}}
    return requests.post(f"{url}/v1/models/model:predict", json={"instances": [instance]}, timeout=60).json()


def drop(page, name, content):
    """Drops a file on the page, and returns what then stands for it, once it is answered."""
    dropped = page.evaluate_handle(FILE, [name, base64.b64encode(content).decode()])
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    shown = page.locator("article").last
    shown.locator("table, .error").wait_for()
    return shown


def outside(page, url):
    return [asked for asked in page.requests if not asked.startswith((f"{url}/", "data:", f"blob:{url}/"))]


def test_a_photograph_that_is_dropped_is_told(view, url, photograph):
    page = view(url)
    shown = drop(page, "cat.jpg", photograph)
    (expected,) = ask(url, photograph)["predictions"]
    assert shown.locator("strong").inner_text() == expected["label"]
    rows = {row.locator("th").inner_text(): row.locator("td").first.inner_text() for row in shown.locator("tr").all()}
    assert rows == {
        name: f"{share:.1%}" for name, share in zip(("cats", "dogs"), expected["probabilities"], strict=True)
    }
    bars = [bar.bounding_box()["width"] for bar in shown.locator(".bar i").all()]
    assert bars[0] / sum(bars) == pytest.approx(max(expected["probabilities"]), abs=0.01)
    assert shown.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    assert page.locator("[role=status]").inner_text() == f"cat.jpg: {expected['label']}"
    assert (page.complaints, outside(page, url)) == ([], [])


def test_what_is_no_image_shows_the_server_s_words_and_the_next_is_answered(view, url, photograph):
    page = view(url)
    shown = drop(page, "notes.txt", b"hello")
    assert shown.locator(".error").inner_text() == ask(url, b"hello")["error"]
    assert "as PNG" in shown.inner_text()
    assert drop(page, "cat.jpg", photograph).locator("tr").count() == 2
    (complaint,) = page.complaints
    assert "400" in complaint


def test_several_are_chosen_where_the_keyboard_leads_and_their_names_are_no_markup(view, url, photograph):
    page = view(url)
    page.keyboard.press("Tab")
    assert page.locator("input:focus").count() == 1
    photos = [{"name": name, "mimeType": "", "buffer": photograph} for name in (HOSTILE, *"abcdefgh")]
    page.set_input_files("input:focus", photos)
    page.locator("article:nth-of-type(9) table").wait_for()
    page.wait_for_function("document.querySelectorAll('article table').length === 9")
    assert page.locator("h2").all_inner_texts() == [HOSTILE, *"abcdefgh"]
    assert (page.complaints, outside(page, url)) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_everyone_can_read_it(view, url, photograph, scheme, width):
    page = view(url, width, color_scheme=scheme)
    drop(page, "a-long-name" * 9, photograph)
    drop(page, "notes.txt", b"hello")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_of_another_site_is_refused(view, url, photograph):
    body = {"instances": [{"image_bytes": {"b64": base64.b64encode(photograph).decode()}}]}
    send = "([url, body]) => fetch(url, { method: 'POST', mode: 'no-cors', body: JSON.stringify(body) }).then(() => 0)"
    with web_server() as other:
        page = view(other.url)
        with page.expect_response(f"{url}/**") as answer:
            page.evaluate(send, [f"{url}/v1/models/model:predict", body])
    assert answer.value.status == 403
