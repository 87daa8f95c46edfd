"""The tables of docs/scale.md are what the cost model prints."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def scale():
    spec = importlib.util.spec_from_file_location("scale", DOCS / "scale.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_tables(scale):
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert re.findall(r"<!-- (\w+) -->\n\| ", page) == list(scale.tables())
    assert page == scale.page(page)


def test_parts_are_paid_for_and_share_the_work(scale):
    assert scale.seconds(1000, 10, parts=1, nodes=1) == 100
    assert scale.seconds(1000, 10, parts=4, nodes=4) == scale.START + 25
    assert scale.seconds(1000, 10, parts=4, nodes=2, load=5) == 2 * (scale.START + 5 + 25)


def test_the_end_of_ingest_goes_on_from_what_was_measured(scale):
    measured = scale.INGEST_END[1_000_000]
    assert measured < scale.ingest_end(1_000_001) < measured * 1.001
    assert scale.ingest_end(10_000_000) > 10 * measured


def test_cores_limit_a_fast_gpu(scale):
    assert scale.H100_POOL.rate == 16 * scale.DECODE_A_CORE < scale.H100
