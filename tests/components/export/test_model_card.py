"""The model card says what the records say, and nothing in them can change the page."""

import json
import shutil

import pytest
from support import ROOT

from graft.components.common.artifacts.export import Export
from graft.components.export.model_card import model_card

RECORDS = ROOT / "tests/fixtures/schema_1"
PARITY = {"images": 200, "max_difference": 5.96e-08, "label_agreement": 1.0, "latency_ms": 16.7}
LIMITS = {"max_difference": 0.001, "label_agreement": 0.995}
EXPORT = Export(
    classes=["cats", "dogs"],
    formats={
        "serving/pets/1": {"bytes": 37382194, "parity": PARITY, "limits": LIMITS},
        "model-int8.tflite": {
            "bytes": 9296368,
            "parity": PARITY,
            "limits": LIMITS,
            "quantization": "full-integer",
            "tried": {"full-integer": PARITY},
        },
    },
)


@pytest.fixture
def lineage(tmp_path):
    shutil.copytree(RECORDS / "lineage", tmp_path / "lineage")
    return tmp_path / "lineage"


def change(lineage, name, changes):
    path = lineage / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def card(lineage):
    return model_card(lineage, "pets", EXPORT)


def test_figures_are_those_of_the_records(lineage):
    text = card(lineage)
    for line in (
        "# Model card: pets",
        "Tells cats, dogs apart on photographs.",
        "| class | train | validation |",
        "| cats | 1,000 | 500 |",
        "1,800 images trained the head, 200 of train selected the epoch.",
        "On 1,000 validation images, which had no part in training or selection.",
        "| cats | 500 | 0.9474 | 0.936 | 0.911 to 0.954 | 0.9416 |",
        "| brightness | 129–236 of 255 | 319 | 0.9279 | 0.894 to 0.951 |",
        "- champion: there was none",
        "- accuracy 0.9420 meets the required 0.9",
        "| serving/pets/1 | 37,382,194 | 5.96e-08 | 1 | 16.7 |",
        "| model-int8.tflite (full-integer) | 9,296,368 |",
    ):
        assert line in text


def test_names_are_no_markup(lineage):
    change(lineage, "dataset.json", {"source": "a|b\n# Title <script>[x](http://example.org)"})
    text = card(lineage)
    assert r"a\|b\\n# Title \<script\>\[x\](http://example.org)" in text
    assert "\n# Title" not in text


def test_a_model_selected_on_the_evaluated_images_is_called_that(lineage):
    change(lineage, "evaluation.json", {"selected_on_split": True})
    assert "which also selected the model, so the figures are too good" in card(lineage)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"split": "train"},
            "On 1,000 train images, on which the model was trained, so the figures say nothing about others.",
        ),
        (
            {"trained_on_digest": "a" * 64},
            "of another dataset than the model was trained on. Whether that held some of them is not known.",
        ),
        (
            {"trained_twins": 57},
            ", 57 of which show pictures that trained the model, so the figures are too good.",
        ),
    ],
)
def test_images_that_may_have_trained_the_model_are_not_said_to_be_unseen(lineage, changes, said):
    change(lineage, "evaluation.json", changes)
    assert said in card(lineage)
    assert "no part in training" not in card(lineage)


def test_what_is_not_known_is_unknown_and_what_is_thin_is_said(lineage):
    evaluation = json.loads((lineage / "evaluation.json").read_text())
    evaluation["metrics"]["auc"] = None
    evaluation["metrics"]["by_class"]["cats"] |= {"images": 7, "recall": None, "recall_interval": None}
    change(lineage, "evaluation.json", evaluation)
    text = card(lineage)
    assert "| AUC | unknown | |" in text
    assert "Fewer than 100 evaluated images of cats:" in text


def test_many_classes_are_named_up_to_the_tenth_and_counted_a_line_each(lineage):
    names = [f"breed {number:03}" for number in range(500)]
    figures = json.loads((lineage / "evaluation.json").read_text())["metrics"]
    of_a_class = figures["by_class"]["cats"] | {"images": 2}
    change(lineage, "training.json", {"classes": names})
    change(
        lineage,
        "dataset.json",
        {"classes": names, "counts": {"train": dict.fromkeys(names, 4), "validation": dict.fromkeys(names, 2)}},
    )
    change(lineage, "evaluation.json", {"metrics": figures | {"by_class": dict.fromkeys(names, of_a_class)}})
    text = card(lineage)
    assert "breed 008, breed 009 and 490 more apart" in text and "breed 009 and 490 more: the figures" in text
    assert "| breed 499 | 4 | 2 |" in text and max(map(len, text.splitlines())) < 1000


def test_what_people_said_of_labels_and_what_is_probably_wrong_is_said(lineage):
    assert "corrected" not in card(lineage) and "probably wrong" not in card(lineage)
    applied = {"list": "said.csv", "sha256": "0" * 64, "corrected": 1200, "removed": 2, "kept": 3}
    change(lineage, "dataset.json", {"corrections": applied | {"without_effect": 0, "lines_without_effect": []}})
    checked = {"splits": [{"split": "validation", "images": 1000, "suspected": 9}], "accuracy_range": [0.9351, 0.944]}
    change(lineage, "evaluation.json", {"labels": checked})
    text = card(lineage)
    assert "Labels that people corrected: 1,200; images that they removed: 2; labels that they found right: 3." in text
    assert (
        "probably wrong: 9. Whichever of them are wrong, the accuracy is 0.935 to 0.944. `lineage/labels.csv`" in text
    )


def test_a_champion_is_told_of(lineage):
    champion = {
        "uri": "store/models/pets/versions/1",
        "model_digest": "0" * 64,
        "accuracy": 0.93,
        "difference": 0.012,
        "interval": [-0.001, 0.025],
        "lower": 0.0,
        "p_value": 0.9,
        "gained": 40,
        "lost": 28,
        "both_right": 900,
        "both_wrong": 32,
    }
    change(lineage, "evaluation.json", {"comparisons": {"champion": champion, "anchor": None}})
    assert (
        "- champion: accuracy 0.93 on the same images, difference 0.012 (95% interval -0.001 to 0.025)\n- anchor"
        in card(lineage)
    )
