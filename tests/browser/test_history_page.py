"""The history in a real browser: readable, accessible and self-contained."""

import pytest
from accessibility import violations

from graft.components.common.runs.history import PastRun
from graft.pipelines.local.history_page import write_history

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    runs = [
        PastRun(
            f"2026010{number}-030000-ab{number}d",
            f"2026-01-0{number}T03:00:00+00:00",
            outcome,
            "gate: passed",
            600 + 250 * number,
            250,
            250,
            accuracy,
            interval,
            difference,
            interval and (-0.02, 0.03),
            drift,
            version,
            promoted,
            60.0,
        )
        for number, (outcome, accuracy, interval, difference, drift, version, promoted) in enumerate(
            [
                ("succeeded", 0.93, (0.9, 0.95), None, (), "a" * 64, True),
                ("unchanged", None, None, None, (), None, None),
                ("gate failed", 0.6, (0.55, 0.65), -0.33, ("brightness", "features"), None, None),
                ("succeeded", 0.94, (0.92, 0.96), 0.01, (), "b" * 64, False),
            ],
            1,
        )
    ]
    path = tmp_path_factory.mktemp("history") / "history.html"
    write_history(path, "pets", runs)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_it_is_accessible_fits_and_asks_for_nothing(browser, page_file, scheme, width):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(page_file.as_uri())
    assert violations(page) == []
    assert complaints == []
    assert [url for url in asked if not url.startswith(("data:", page_file.as_uri()))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure.chart").count() == 4
    context.close()
