"""The evaluation report says what was found, shows the images behind it, and can do no harm."""

import base64
import io
import re

import numpy as np
import pytest
from data_reports import HOSTILE
from evaluation_reports import BOTH, FIVE, TRAINING, TWO, Made, changed
from evaluations import ANSWERED
from PIL import Image

from graft.components.common.artifacts.evaluation import Drift, Slice
from graft.components.common.pages.learning_curves import learning_charts
from graft.components.common.pages.rendering import shorten
from graft.components.evaluate.report import drawing, gallery
from graft.components.evaluate.report.curves import reliability_chart, roc_charts
from graft.components.evaluate.report.gallery import choose
from graft.components.evaluate.report.slice_table import slice_table

VISIBLE = HOSTILE.replace("\n", r"\n").replace("\r", r"\r").replace("\u202e", r"\u202e")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    made = Made()
    return made, made.write(tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    made = Made(FIVE, 300, 90, champion=True)
    return made, made.write(tmp_path_factory.mktemp("report") / "report.html")


def test_the_verdict_comes_first(plain):
    _, page = plain
    assert "80.0% accuracy on 60 validation images 2 classes: cats , dogs ." in page.text
    order = [
        "On images like these it gets 68.2% to 88.2% right (95% confidence",
        "There is no champion yet to compare it with.",
        "had no part in training or in choosing the model",
        "best threshold for “dogs” on these images is a probability of 0.470",
        "Confusion matrix",
        "Mistakes",
        "Lost against the champion",
        "Classes",
        "ROC and reliability",
        "Learning curves",
        "Slices",
        "Dataset",
        "Settings of the training",
        "Commands to repeat this",
    ]
    places = [page.text.index(text) for text in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "2.0 points better than the champion (95% interval −1.0 to +5.0 points). That may be chance.",
        ),
        (
            {"interval": [0.001, 0.04]},
            "+0.1 to +4.0 points). That is more than chance. It gains 40 images and loses 20.",
        ),
        ({"difference": -0.03, "interval": [-0.05, -0.01]}, "3.0 points worse than the champion"),
        ({"difference": 0}, "It is as accurate as the champion"),
    ],
)
def test_the_champion_in_a_sentence(tmp_path, changes, said):
    made = Made(champion=True)
    made.evaluation = changed(made.evaluation, comparisons={"champion": BOTH | changes, "anchor": None})
    assert said in made.write(tmp_path / "report.html").text


def test_a_split_that_chose_the_model_is_no_fresh_one(tmp_path):
    made = Made()
    made.evaluation = changed(made.evaluation, selected_on_split=True, trained_on_digest="f" * 64)
    page = made.write(tmp_path / "report.html")
    assert "validation images helped to choose the model's weights" in page.text
    assert "The model was trained on another dataset than this one." in page.text


def radios(page):
    return [each for each in page.all("input") if each["type"] == "radio"]


def test_every_cell_opens_its_images(hostile):
    made, page = hostile
    confusion = np.array(made.evaluation.metrics.confusion)
    cells = {each["id"] for each in radios(page)} - {"cell-none"}
    assert cells == {f"cell-{row}-{column}" for row, column in np.argwhere(confusion)}
    labels = {each["for"] for each in page.all("label")}
    assert labels == cells | {"cell-none"}
    panels = {each["id"] for each in page.all("section")}
    assert panels == {f"images-{name}" for name in cells}
    for name in cells:
        assert f"main:has(#{name}:checked) #images-{name} {{ display: block }}" in page.html


def test_images_are_asked_for_once_in_order(hostile):
    made, _ = hostile
    (asked,) = made.asked
    assert asked == sorted(set(asked))


def test_mistakes_have_the_most_confident_first_and_cells_the_least():
    made = Made(images=400, wrong=200)
    chosen = choose(made.predictions, TWO, Drift())
    assert len(chosen.mistakes) == gallery.MAX_MISTAKES and chosen.mistakes_in_all == 200
    assert (np.diff(chosen.confidence[chosen.mistakes]) <= 0).all()
    assert chosen.confidence == pytest.approx(made.predictions["confidence"].to_numpy())
    assert sorted(chosen.counts.values()) == [100, 100, 100, 100]
    for rows in chosen.cells.values():
        assert len(rows) == gallery.MAX_A_CELL
        assert (np.diff(chosen.confidence[rows]) >= 0).all()


@pytest.mark.parametrize("size", [2, 20, 60])
def test_there_is_room_for_mistakes_of_many_classes(size):
    classes = [f"class {number}" for number in range(size)]
    chosen = choose(Made(classes, 5000, 2000).predictions, classes, Drift())
    assert sum(map(len, chosen.cells.values())) <= gallery.MAX_IN_CELLS
    assert all(rows for (true, predicted), rows in chosen.cells.items() if true != predicted)


def test_what_the_champion_had_right(hostile, plain, tmp_path):
    made, page = hostile
    rows = made.predictions.to_pylist()
    lost = [row for row in rows if row["champion"] == row["label"] != row["predicted"]]
    assert choose(made.predictions, FIVE, Drift()).lost_in_all == len(lost) == 60
    assert "Showing 48 of 60 images that the champion got right and this model wrong" in page.text
    assert plain[1].text.count("There is no champion yet") == 2
    page = Made(wrong=0, champion=True).write(tmp_path / "report.html")
    assert "Every image that the champion got right is right now, too." in page.text


@pytest.mark.parametrize(("wrong", "said"), [(0, "There are no mistakes."), (1, "Showing 1 of 1 mistake,")])
def test_few_mistakes(tmp_path, wrong, said):
    page = Made(wrong=wrong).write(tmp_path / "report.html")
    assert said in page.text
    assert page.html.count('<div class="single">') == wrong


def test_names_show_what_they_are_and_do_nothing(hostile):
    _, page = hostile
    assert VISIBLE in page.text and r"few images \udcff." in page.text and "a <b>bold</b> & 'quoted' class" in page.text
    assert not page.all("script") and "\u202e" not in page.html and "\r" not in page.html
    assert not {name for _, attributes in page.elements for name in attributes if name.startswith("on")}
    assert not any(
        page.all(tag) for tag in ("a", "iframe", "form", "button", "object", "embed", "link[rel=stylesheet]")
    )


def test_nothing_is_fetched(hostile):
    _, page = hostile
    assert all(image["src"].startswith("data:image/jpeg;base64,") and image["alt"] for image in page.all("img"))
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    text = re.sub(r'"data:[^"]*"', "", page.html).replace("gs://models", "")
    assert not re.search(r"(?:https?:)?//[a-z]|url\(|@import", text)
    assert "default-src 'none'" in page.all("meta")[2]["content"]


def test_unknown_figures_are_dashes(tmp_path):
    made = Made(images=60, wrong=0)
    metrics = made.evaluation.metrics.model_dump(mode="json")
    nothing = dict.fromkeys(metrics["by_class"]["dogs"]) | {"images": 0}
    metrics |= {"auc": None, "average_precision": None, "threshold": None, "roc": {}}
    metrics["by_class"] |= {"dogs": nothing}
    made.evaluation = changed(made.evaluation, metrics=metrics)
    made.training = changed(TRAINING, history=[], best_epoch=0, config={"cut": None}, versions={})
    page = made.write(tmp_path / "report.html")
    assert "Area under the ROC curve –, average precision –, cross-entropy" in page.text
    assert "dogs 0 – – – – – –" in page.text
    for sentence in ("There is no ROC curve", "The training recorded no history.", "cut –"):
        assert sentence in page.text
    assert "None" not in page.text and "threshold for" not in page.text


def test_champion_and_anchor_stand_side_by_side(hostile):
    _, page = hostile
    assert (
        "On the same images champion anchor Accuracy of the baseline 90.0% 90.0% Difference of this model +2.0 points"
        in page.text
    )
    assert "Gained: only this model is right 40 40 Lost: only the baseline is right 20 20" in page.text


def test_curves_say_what_they_show(plain):
    metrics = plain[0].evaluation.metrics
    charts = [
        *roc_charts(metrics, TWO, 1),
        reliability_chart(metrics.reliability, 0.01),
        *learning_charts(TRAINING),
    ]
    assert [chart.title for chart in charts] == ["ROC: dogs", "Reliability", "Accuracy", "Loss"]
    assert "Training images: 75.0% in the first epoch, 93.3% in the last, 92.8% in the kept one." in charts[2].summary
    assert re.findall("<title>(.*)</title>", charts[2].svg) == ["kept: epoch 9, gap +0.020", "layers unfrozen"]


def test_what_is_answered_is_told_and_drawn(tmp_path):
    made = Made()
    curve = {"coverage": [0.25, 0.8, 1.0], "risk": [0.0, 0.02, 0.2], "confidence": [0.99, 0.9, 0.5]}
    for answered, said in (
        (None, "The model answers always. Train it with wanted_accuracy to"),
        (
            ANSWERED,
            "The model is confident from a probability of 0.9000 on, which was chosen for an accuracy of 98.0%.",
        ),
    ):
        made.evaluation = changed(made.evaluation, risk_coverage=curve, answered=answered)
        page = made.write(tmp_path / "report.html")
        assert said in page.text
        assert "If all images are answered, 20.0% of the answers are wrong." in page.text
    assert "confident for 80.0% of the images, and 98.0% of these are right: at least 97.0% with" in page.text
    assert "Answered Wrong of these From a confidence of 25.0% 0.0% 0.9900 80.0% 2.0% 0.9000" in page.text


def test_roc_of_many_classes_shows_the_worst_first(hostile):
    made, _ = hostile
    metrics = made.evaluation.metrics
    titles = {f"ROC: {shorten(name)}": figures.auc for name, figures in metrics.by_class.items()}
    areas = [titles[chart.title] for chart in roc_charts(metrics, FIVE, 9)]
    assert len(areas) == 5 and areas == sorted(areas)
    assert len(roc_charts(metrics, FIVE, 3)) == 3


def test_slices_are_laid_out_on_one_scale():
    slices = [
        Slice(by="size", value="small", images=10, accuracy=0.5, interval=(0.24, 0.76)),
        Slice(by="size", value="large", images=1000, accuracy=0.99, interval=(0.98, 1.0)),
    ]
    table = slice_table(slices, 0.9)
    assert table.low == 0.2 and list(table.groups) == ["size"]
    small, large = table.groups["size"]
    assert (small.value, small.verdict, large.verdict) == ("small", "worse", "better")


def test_it_stays_small_even_of_noise(tmp_path):
    random = np.random.default_rng(0)

    def noise(rows):
        for _ in rows:
            buffer = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(buffer, "JPEG")
            yield buffer.getvalue()

    made = Made([f"class {number}" for number in range(20)], 1000, 500, champion=True)
    made.images = noise
    page = made.write(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    sizes = [Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))).size for image in page.all("img")]
    assert max(map(max, sizes)) == drawing.LARGE


def test_of_many_classes_the_worst_pairs_are_shown_in_place_of_a_matrix(tmp_path):
    classes = [f"class {number}" for number in range(51)]
    made = Made(classes, 510, 200)
    page = made.write(tmp_path / "report.html")
    assert "51 classes are too many for a matrix." in page.text
    assert "The 50 with the lowest recall are shown first." in page.text
    cells = {values["id"] for tag, values in page.elements if tag == "input"} - {"cell-none"}
    assert cells == {f"cell-{number}-{(number + 1) % 51}" for number in range(51)}
    assert {values["id"] for tag, values in page.elements if tag == "section"} == {f"images-{cell}" for cell in cells}


def test_many_classes_without_a_mistake_have_a_page(tmp_path):
    page = Made([f"class {number}" for number in range(51)], 102, 0).write(tmp_path / "report.html")
    assert "No class is taken for another." in page.text
    assert not [tag for tag, _ in page.elements if tag == "img"]
