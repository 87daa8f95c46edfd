"""A real browser."""

import shutil

import pytest
from support import skip


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        skip("browser", "there is no chromium on the path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("browser", "playwright is not installed")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", *quiet])
        yield browser
        browser.close()


@pytest.fixture
def view(browser):
    """Opens a page's file, or its address; `requests` of the result is what it asked for, `complaints` what the browser says about it."""
    contexts = []

    def view(path, width=1280, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(path if isinstance(path, str) else path.as_uri())
        return page

    yield view
    for context in contexts:
        context.close()
