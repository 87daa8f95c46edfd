"""`graft predict`: the same answer as evaluate's, from a Model, an Export or a registry, for files wherever they are."""

import contextlib
import csv
import io
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from exports import export_of
from PIL import Image

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.pipelines.cli.app import app
from graft.pipelines.local import predicting

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(chain, tmp_path_factory):
    """A folder with a model, an export of it, and the pictures that it was evaluated on, with what evaluate got."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "model").symlink_to(chain / "model")
    export_of(folder / "model", folder / "export")
    pictures = chain / "pictures" / "validation"
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet").to_pylist()
    return folder, pictures, {row["path"].partition("validation/")[2]: row for row in rows}


@pytest.fixture
def predict(capsys):
    """Runs the command, and returns what it prints."""

    def run(*words):
        app(["predict", *map(str, words)], result_action="return_value")
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def answer(trained):
    """What the command prints, as JSON, for the pictures and the model."""
    folder, pictures, _ = trained
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        app(["predict", str(folder / "model"), str(pictures), "--format", "json"], result_action="return_value")
    return printed.getvalue()


@pytest.mark.parametrize("model", ["model", "export", "export/model.keras"])
def test_the_answer_is_evaluate_s(trained, answer, predict, model):
    folder, pictures, expected = trained
    found = json.loads(answer if model == "model" else predict(folder / model, pictures, "--format", "json"))
    assert len(found) == len(expected) == 20
    for one in found:
        row = expected[one["image"].partition("validation/")[2]]
        assert one["label"] == row["predicted"] and not one["error"]
        wanted = {name: row[f"probability_{name}"] for name in ("cats", "dogs")}
        assert one["probabilities"] == pytest.approx(wanted, abs=1e-5)


def test_a_model_that_abstains_says_where_it_is_not_confident(trained, predict, tmp_path):
    folder, pictures, expected = trained
    record = json.loads((folder / "model" / "training.json").read_text())
    surest = {path: max(row["probability_cats"], row["probability_dogs"]) for path, row in expected.items()}
    least = sorted(surest.values())[10] - 1e-5
    told = {"wanted_accuracy": 0.9, "abstain_below": least, "split": "train", "images": 4, "answered": 2, "wrong": 0}
    (tmp_path / "training.json").write_text(json.dumps(record | {"abstention": told}))
    (tmp_path / "model.keras").symlink_to((folder / "model" / "model.keras").resolve())
    found = json.loads(predict(tmp_path, pictures, "--format", "json"))
    assert sum(one["confident"] for one in found) in (9, 10, 11)
    assert all(one["confident"] == (max(one["probabilities"].values()) >= np.float32(least)) for one in found)
    (sure, not_sure) = (next(one["image"] for one in found if one["confident"] is wanted) for wanted in (True, False))
    assert [line.endswith("not confident") for line in predict(tmp_path, sure, not_sure).splitlines()] == [False, True]
    (head, *rows) = csv.reader(io.StringIO(predict(tmp_path, sure, not_sure, "--format", "csv")))
    assert [dict(zip(head, row, strict=True))["confident"] for row in rows] == ["true", "false"]


def test_many_images_get_the_answer_of_a_few(trained, answer, predict, monkeypatch):
    folder, pictures, _ = trained
    monkeypatch.setattr(predicting, "_MANY", 0)
    assert predict(folder / "model", pictures, "--format", "json") == answer


def test_a_version_of_the_registry(trained, answer, predict, tmp_path):
    folder, pictures, _ = trained
    registry = Registry(str(tmp_path / "store"), "pets")
    with pytest.raises(GraftError, match="store doesn't exist: check the path or URI"):
        predict("pets", pictures, "--store", tmp_path / "store")
    (tmp_path / "store").mkdir()
    with pytest.raises(GraftError, match="has no latest version"):
        predict("pets", pictures, "--store", tmp_path / "store")
    version = registry.publish(folder / "export")
    asked = (pictures, "--store", tmp_path / "store", "--format", "json")
    assert predict(f"pets@{version[:8]}", *asked) == answer
    registry.promote(version)
    assert predict("pets", *asked) == answer


def test_rollback_makes_predict_use_the_earlier_version(trained, answer, other_model, predict, tmp_path):
    folder, pictures, _ = trained
    registry = Registry(str(tmp_path / "store"), "pets")
    export_of(other_model, tmp_path / "export")
    for export in (folder / "export", tmp_path / "export"):
        registry.promote(registry.publish(export))
    asked = ("pets", pictures, "--store", tmp_path / "store", "--format", "json")
    assert predict(*asked) != answer
    registry.rollback("worse")
    assert predict(*asked) == answer


@pytest.mark.parametrize("path", ["model.keras", "lineage/training.json", "SHA256SUMS"])
def test_a_flipped_byte_is_found_before_use(trained, predict, tmp_path, path):
    folder, pictures, _ = trained
    registry = Registry(str(tmp_path / "store"), "pets")
    registry.promote(registry.publish(folder / "export"))
    file = tmp_path / "store/models/pets/versions" / registry.latest().version / path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(GraftError, match="not the one that names this version|has the SHA-256"):
        predict("pets", pictures, "--store", tmp_path / "store")


def test_a_file_that_is_no_image_and_one_that_lies_on_its_side(trained, predict, tmp_path, capsys):
    folder, pictures, _ = trained
    picture = next(pictures.rglob("*.jpg"))
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / ".hidden").write_text("hello")
    with Image.open(picture) as image:
        image.save(tmp_path / "upright.png")
        exif = image.getexif()
        exif[0x0112] = 6  # to be turned right
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "side.png", exif=exif)
    with pytest.raises(SystemExit) as ended:
        predict(folder / "model", tmp_path, "--format", "csv")
    assert ended.value.code == 1
    side, text, upright = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert text["error"] == "is not an image of a known format" and not text["label"]
    assert float(side["cats"]) == pytest.approx(float(upright["cats"]), abs=1e-6)
    assert side["label"] == upright["label"] and not side["error"]


def test_one_bad_file_silences_no_other(trained, predict, tmp_path, capsys):
    folder, pictures, _ = trained
    picture = next(pictures.rglob("*.jpg"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "good.jpg").write_bytes(picture.read_bytes())
    (tmp_path / "sub" / "empty.jpg").touch()
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "rotten.jpg").symlink_to("/proc/self/mem")  # gives an input/output error, as a damaged disk does
    os.mkfifo(tmp_path / "pipe.jpg")  # to open it would wait forever
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    with pytest.raises(SystemExit) as ended:
        predict(folder / "model", tmp_path, tmp_path / "missing.jpg", tmp_path / "pipe.jpg", "--format", "json")
    assert ended.value.code == 1
    found = [(answer["image"].rpartition("/")[2], answer) for answer in json.loads(capsys.readouterr().out)]
    assert {name: answer["label"] for name, answer in found if not answer["error"]}.keys() == {"good.jpg"}
    assert {name: answer["error"] for name, answer in found if answer["error"]} == {
        "empty.jpg": "is empty",
        "dangling.jpg": "doesn't exist, or is no file",
        "itself.jpg": "doesn't exist, or is no file",
        "loop": "is a link to a folder that it is in",
        "missing.jpg": "doesn't exist, or is no file",
        "pipe.jpg": "is a pipe, a socket or a device",
        "rotten.jpg": "can't be read from its disk (input/output error)",
    }


def test_images_and_model_in_a_bucket(trained, predict, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, pictures, _ = trained
    for path in ("model.keras", "lineage/training.json", "lineage/evaluation.json", "SHA256SUMS"):
        storage.put(folder / "export" / path, f"{bucket}/export/{path}")
    files = sorted((pictures / "cats").iterdir())[:3]
    for file in files:
        storage.put(file, f"{bucket}/images/{file.name}")
    here = json.loads(predict(folder / "model", *files, "--format", "json"))
    there = json.loads(predict(f"{bucket}/export", f"{bucket}/images", "--format", "json"))
    assert [answer["probabilities"] for answer in there] == [answer["probabilities"] for answer in here]
    assert [answer["image"] for answer in there] == [f"{bucket}/images/{file.name}" for file in files]


def test_what_can_t_be_predicted(trained, predict, tmp_path):
    folder, pictures, _ = trained
    (tmp_path / "empty").mkdir()
    for words, sentence in (
        ((folder / "model", tmp_path / "empty"), f"There is no image to predict in {tmp_path}/empty: "),
        ((folder / "model",), "There is no image to predict: name files"),
        ((tmp_path / "empty", pictures), "is no finished Model or Export"),
        ((folder / "export/another.keras", pictures), "another.keras can't be used without its record"),
        (("pets@3f", pictures), "There is no pets@3f here: name a Model or an Export, and with --store"),
        (
            ("pets@", pictures, "--store", tmp_path),
            "pets@ names no version: write pets@VERSION, or pets for the latest one",
        ),
        ((folder / "export", pictures, "--store", tmp_path), "leave --store out for a path or URI"),
    ):
        with pytest.raises(GraftError, match=sentence):
            predict(*words)
