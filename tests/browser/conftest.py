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
