"""The page of `graft labels` in a real browser: by keyboard through the list, and what it says is in the file."""

import shutil
import zipfile

import pytest
from accessibility import violations
from labels import corrections, leave_list
from served import graft_at_a_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE, DESKTOP = 375, 1440
EACH = 12


@pytest.fixture(scope="module")
def left(photographs, tmp_path_factory):
    """A store with a list of four photographs, one of them with a name that is a script."""
    folder = tmp_path_factory.mktemp("labels")
    with zipfile.ZipFile(photographs) as archive:
        for kind in ("cats", "dogs"):
            names = sorted(name for name in archive.namelist() if f"train/{kind}/" in name and name.endswith(".jpg"))
            for number, name in enumerate(names[:EACH]):
                file = folder / "source" / kind / f"{number}<img src=x onerror=alert(1)>.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as content, file.open("wb") as to:
                    shutil.copyfileobj(content, to)
    return leave_list(folder / "source", folder)


@pytest.fixture
def server(left, tmp_path):
    with graft_at_a_port("labels", "pets", "--store", left[0], cwd=tmp_path) as process:
        process.output = tmp_path / "corrections.csv"
        yield process


def shown(page):
    """The path on the page, once its picture is there."""
    page.wait_for_function("() => document.querySelector('article img').naturalWidth > 0")
    return page.locator("h2").inner_text()


def press(page, key):
    """Presses a key, and waits for what it brings to be told."""
    before = page.locator("[role=status]").inner_text()
    page.keyboard.press(key)
    page.wait_for_function("before => document.querySelector('[role=status]').textContent !== before", arg=before)


def test_by_keyboard_through_the_list_and_back(view, server, left):
    _, listed = left
    paths = [entry.path for entry in listed]
    page = view(server.url)
    assert shown(page) == paths[0]
    assert page.locator("#suggested").inner_text() == f"{listed[0].suggested}, 97% sure"
    for key, said in (("2", "dogs"), ("k", "keep"), ("x", "remove"), ("u", None), ("1", "cats")):
        before = corrections(server.output) if server.output.exists() else {}
        number = len(before)
        press(page, key)
        expected = {**before, paths[number]: said} if said else dict(list(before.items())[:-1])
        assert corrections(server.output) == expected
    assert shown(page) == paths[3] and page.locator("#progress").inner_text() == "3 of 4 decided"
    page.get_by_role("button", name="keep label").click()
    page.get_by_text("Every label of the list is decided").wait_for()
    press(page, "u")
    page.reload()
    assert shown(page) == paths[3] and page.locator("#progress").inner_text() == "3 of 4 decided"
    page.keyboard.press("u")  # nothing was decided since the page was opened
    assert corrections(server.output) == dict(zip(paths, ("dogs", "keep", "cats"), strict=False))
    assert page.complaints == [] and all(asked.startswith(server.url) for asked in page.requests)


def test_later_comes_round_and_a_held_key_decides_once(view, server, left):
    paths = [entry.path for entry in left[1]]
    page = view(server.url)
    for path in (*paths[1:], paths[0]):
        page.keyboard.press("ArrowRight")
        assert shown(page) == path
    page.keyboard.down("k")
    page.keyboard.down("k")
    page.wait_for_function("() => document.querySelector('#progress').textContent.startsWith('1 ')")
    page.keyboard.down("k")
    page.keyboard.up("k")
    assert corrections(server.output) == {paths[0]: "keep"}


def test_what_could_not_be_written_is_said_and_stays_undecided(view, server, left):
    page = view(server.url)
    path = shown(page)
    server.output.write_text("somebody's notes")
    press(page, "1")
    assert "is no list of labels" in page.locator("[role=status]").inner_text() and shown(page) == path
    server.terminate()
    server.wait(30)
    press(page, "1")
    assert "graft labels gave no answer" in page.locator("[role=status]").inner_text()
    assert server.output.read_text() == "somebody's notes"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_everyone_can_read_it(view, server, width, scheme):
    page = view(server.url, width, color_scheme=scheme)
    press(page, "k")
    shown(page)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for key in ("x", "1", "2"):
        press(page, key)
    assert page.get_by_text("Every label of the list is decided").is_visible() and violations(page) == []
