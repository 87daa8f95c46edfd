"""The data report says what is in the dataset and what is not, in one file that can do no harm."""

import re

import numpy as np
import pyarrow as pa
import pytest
from data_reports import DUPLICATE, HOSTILE, eventful, make_index, make_record, write_page

from graft.components.ingest.report import data_report as report
from graft.components.ingest.report.histograms import histograms

VISIBLE = HOSTILE.replace("\n", r"\n").replace("\r", r"\r").replace("\u202e", r"\u202e")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    index, record, broken = eventful()
    return write_page(tmp_path_factory.mktemp("report") / "report.html", index, record, broken)


def test_a_plain_dataset(tmp_path):
    index = make_index()
    page = write_page(tmp_path / "report.html", index, make_record(index))
    assert "60 images of 2 classes From photos.zip train 30 validation 30 excluded files 0" in page.text
    assert "cats 15 15 30 50.0% dogs 15 15 30 50.0%" in page.text
    assert "d" * 64 in page.text and "validation_fraction 0.2 Converted none Versions Python" in page.text
    assert "No file is excluded." in page.text and "No two images are the same or look nearly the same." in page.text
    assert "warning" not in page.text and "requested" not in page.text
    assert len(page.all("img")) == 2 * report.SAMPLES


def test_an_eventful_dataset(page):
    assert page.text.index("2 warnings Beware of") < page.text.index("excluded files 42")
    assert "75.0% (50.0% requested)" in page.text
    assert "Passed over, being no images by their names: 1,200 *.xmp, 1 @eaDir" in page.text
    assert "1,200 cmyk, 3 rotated" in page.text and "1 file lies outside of any class folder" in page.text
    assert "42 files are not in the dataset" in page.text and page.text.count("is empty") == 40
    assert (
        "3 pairs of images that are the same or look nearly the same. Pairs with different labels: 1. Pairs across"
        in page.text
    )
    verdicts = [
        "Different labels: look nearly the same, 6 of 64 hash bits differ",
        "Different splits: identical bytes",
        "Look nearly the same, 4 of 64 hash bits differ",
    ]
    places = [page.text.index(verdict) for verdict in verdicts]
    assert places == sorted(places)
    assert "cats , train, excluded" in page.text


def test_corrections_show_what_the_source_had_said(page):
    assert "30 labels are corrected, 1 image is removed, and 2 labels are kept as right." in page.text
    assert "2 rows have no effect" in page.text and "(line 7, 9)" in page.text and "6 labels more" in page.text
    assert page.text.count(f"cats , not dogs {VISIBLE}") == 30


def test_every_exclusion_has_its_picture_where_there_is_one(page):
    assert sum(image["alt"] == "The part that can be decoded" for image in page.all("img")) == 2
    assert page.text.count("no picture") == 40
    assert "Duplicate of validation/cats/5.jpg (identical bytes)" in page.text


def test_names_show_what_they_are_and_do_nothing(page):
    assert VISIBLE in page.text and r"And of \udcff." in page.text
    assert not page.all("script") and "\u202e" not in page.html and "\r" not in page.html
    assert not {name for _, attributes in page.elements for name in attributes if name.startswith("on")}
    assert not page.all("a") and not page.all("iframe") and not page.all("form")


def test_nothing_is_fetched(page):
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert not re.search(r"(?:https?:)?//[a-z]|url\(|@import", re.sub(r'"data:[^"]*"', "", page.html))
    assert "default-src 'none'" in page.all("meta")[2]["content"]


def test_the_same_dataset_makes_the_same_page_whatever_the_order(tmp_path):
    index = make_index(images=40)
    shuffled = index.take(pa.array(np.random.default_rng(1).permutation(len(index))))
    record = make_record(index)
    pages = [write_page(tmp_path / f"{number}.html", table, record) for number, table in enumerate((index, shuffled))]
    assert pages[0].html == pages[1].html
    assert len({image["alt"].split("/")[0] for image in pages[0].all("img")}) == 2


def test_long_lists_are_capped_and_say_so(tmp_path):
    classes = [f"class{number:03}" for number in range(50)]
    index = make_index(classes, images=1)
    excluded = [
        {"path": f"left/out/{number}.jpg", "label": "class000", "reason": "is odd"}
        for number in range(report.MAX_PICTURED + 7)
    ]
    pair = DUPLICATE | {"path": "train/class000/0.jpg", "twin": "train/class001/0.jpg"}
    record = make_record(index, excluded=excluded, duplicates=[pair] * (report.MAX_PAIRS + 5))
    page = write_page(tmp_path / "report.html", index, record)
    alts = [image["alt"] for image in page.all("img")]
    assert alts.count("The part that can be decoded") == report.MAX_PICTURED
    assert alts.count("cats, train") == 2 * report.MAX_PAIRS
    assert len(alts) == report.MAX_PICTURED + 2 * report.MAX_PAIRS + 2 * report.MAX_CLASSES
    assert "The other 30 classes are not shown." in page.text
    assert "The first 200 are shown; the other 5 are listed in dataset.json." in page.text
    assert all(entry["path"] in page.text for entry in excluded) and all(name in page.text for name in classes)


def values(**columns):
    size = len(next(iter(columns.values())))
    plain = {"width": pa.array([100] * size), "height": pa.array([100] * size), "brightness": pa.array([9.5] * size)}
    return pa.table({"split": ["train"] * size} | plain | {name: pa.array(column) for name, column in columns.items()})


def test_histograms_count_every_image_once():
    index = make_index(images=500)
    for chart in histograms(index, ["train", "validation"]):
        assert [sum(counts) for counts in chart.counts.values()] == [1000, 1000]
        assert len(chart.bins) == len(chart.counts["train"]) <= 20
        assert all(abs(sum(shares) - 1) < 1e-9 for shares in chart.shares.values())
        assert all(-0.5 <= place <= len(chart.bins) - 0.5 for place, _ in chart.ticks)


def test_a_million_images():
    size = 1_000_000
    index = values(width=np.arange(size) % 1000 + 1, height=np.arange(size) % 700 + 1, brightness=np.arange(size) % 256)
    assert [sum(chart.counts["train"]) for chart in histograms(index, ["train"])] == [size] * 3


def test_a_few_far_away_images_have_bins_of_their_own():
    sides = histograms(values(width=[20, *[150] * 997, 30000, 40000], height=[10] * 1000), ["train"])[0]
    assert dict(zip(sides.bins, sides.counts["train"], strict=True)) == {"under 150": 1, "150": 997, "151 or more": 2}
    assert "range 20 to 40,000" in sides.summary[0]


def test_proportions_count_at_the_nearest():
    proportions = histograms(
        values(width=[640, 480, 100, 1920, 10, 900], height=[480, 640, 101, 1080, 90, 10]), ["train"]
    )[1]
    counts = dict(zip(proportions.bins, proportions.counts["train"], strict=True))
    names = ("about 4:3", "about 3:4", "about 1:1", "about 16:9", "about 1:3 or taller", "about 3:1 or wider")
    assert {name: count for name, count in counts.items() if count} == dict.fromkeys(names, 1)


@pytest.mark.parametrize("brightness", [0.0, 255.0])
def test_the_ends_of_brightness(brightness):
    chart = histograms(values(brightness=[brightness]), ["train", "validation"])[2]
    assert chart.counts["train"][0 if brightness == 0 else -1] == 1
    assert chart.summary[1] == "validation: none"


def test_no_images_no_histograms():
    assert histograms(make_index().slice(0, 0), ["train"]) == []


def test_lists_without_end_are_shown_as_far_as_the_record_has_them(tmp_path):
    index = make_index()
    entries = [{"path": f"cats/{number}.txt", "label": "cats", "reason": "is empty"} for number in range(1_200)]
    pairs = [DUPLICATE | {"path": f"{number}.txt", "twin": "b.txt"} for number in range(1_200)]
    texts = {
        "warnings": [f"Beware of {number}." for number in range(1_200)],
        "ignored": [f"{n}.md" for n in range(1_200)],
    }
    page = write_page(tmp_path / "report.html", index, make_record(index, excluded=entries, duplicates=pairs, **texts))
    assert page.text.count("200 more are in whole_lists.parquet.") == 3
    assert "the other 1,000 are listed in whole_lists.parquet." in page.text
    assert "cats/999.txt" in page.text and "cats/1000.txt" not in page.text
    assert "1,200 warnings" in page.text and "Beware of 999." in page.text and "Beware of 1000." not in page.text
