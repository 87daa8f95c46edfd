"""The page of a training in a real browser: readable, accessible and self-contained."""

import pytest
from accessibility import violations
from support import ROOT

from graft.components.common.artifacts.model import Model
from graft.components.train.config import TrainConfig
from graft.components.train.training_page import write_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "training.html"
    config = TrainConfig(epochs=2, unfreeze_epochs=1, augmentation="off")
    write_page(Model.load(ROOT / "tests/fixtures/schema_2/lineage"), None, None, config, path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_everyone_can_read_it(view, page_file, scheme, width):
    page = view(page_file, width, color_scheme=scheme)
    assert page.locator("svg[role=img]").count() == 2
    assert page.requests == [page.url] and page.complaints == []
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_lines_have_the_page_s_colours(view, page_file):
    looks = {}
    for scheme in ("light", "dark"):
        page = view(page_file, color_scheme=scheme)
        line, text = page.locator("svg path[style*='--train']").first, page.locator("svg text").first
        looks[scheme] = (
            line.evaluate("line => getComputedStyle(line).stroke"),
            text.evaluate("text => getComputedStyle(text).fill"),
        )
    assert looks["light"] == ("rgb(0, 114, 178)", "rgb(86, 91, 98)")
    assert looks["dark"] == ("rgb(86, 180, 233)", "rgb(169, 176, 184)")
