"""A search leaves a recipe that a training takes, and a table of what was tried; what is evaluated plays no part."""

import csv
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from support import QUICK

from graft.components.common.errors import GraftError
from graft.components.train.backbones.architecture import OWN
from graft.components.train.backbones.known import ARCHITECTURES
from graft.components.train.config import TrainConfig
from graft.components.train.recipes import read_recipe, train_config
from graft.components.train.train import train
from graft.components.train.tune import out_of_fold
from graft.components.train.tune import tune as searching
from graft.components.train.tune.search import Tried, best_of, gain
from graft.components.train.tune.search_space import SEARCHED, SearchConfig, cuts_of, searchable, suggested
from graft.components.train.tune.tune import tune
from graft.components.train.tune.tuned_recipe import check_place, write_recipe

BASE = dataclasses.replace(QUICK, selection_split="validation", mirror=True)
SEARCH = SearchConfig(trials=4, cuts=("mixed0", "activation+mixed0"))


@pytest.fixture(scope="module")
def blind(dataset, tmp_path_factory):
    """The dataset, of which only the training images can be read."""
    folder = tmp_path_factory.mktemp("blind") / "dataset"
    shutil.copytree(dataset, folder)
    (shard,) = folder.glob("validation-*.tfrecord")
    shard.unlink()
    return folder


@pytest.fixture(scope="module")
def found(blind, tmp_path_factory):
    """What a search found after one that was killed, and the store of both."""
    folder = tmp_path_factory.mktemp("tuned")
    output, store = folder / "tuned.yaml", folder / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(out_of_fold, "train_quick_head", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tune(blind, str(output), "random", BASE, SEARCH, str(store))
    assert [path.name for path in folder.iterdir()] == ["store"], "a search that was killed leaves the features alone"
    return tune(blind, str(output), "random", BASE, SEARCH, str(store)), store


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_search_needs_no_image_but_those_that_train_and_none_twice(found):
    tuned, _ = found
    assert (tuned.computed, tuned.images) == (0, 36), "four of the forty select"
    assert tuned.best.loss == pytest.approx(tuned.start.loss - tuned.gain, abs=1e-6)
    assert tuned.gain >= 0


@pytest.mark.slow
def test_the_recipe_holds_the_best_settings_and_a_training_finds_the_features(found, dataset, tmp_path):
    tuned, store = found
    config = train_config(read_recipe(tuned.path))
    assert {name: getattr(config, name) for name in tuned.best.settings} == tuned.best.settings
    assert config == dataclasses.replace(BASE, selection_split="train", **tuned.best.settings)
    result = train(dataset, tmp_path / "model", "random", dataclasses.replace(config, epochs=1), str(store))
    assert (result.computed, result.selection_split) == (0, "train")


@pytest.mark.slow
def test_the_table_has_a_row_a_trial_and_begins_with_the_settings_before(found):
    tuned, _ = found
    rows = list(csv.DictReader(Path(tuned.table).read_text().splitlines()))
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert (rows[0]["cut"], float(rows[0]["learning_rate"]), rows[0]["images"]) == ("activation", 1e-3, "36")
    whole = [float(row["loss"]) for row in rows if row["images"] == "36"]
    assert min(whole) == pytest.approx(tuned.best.loss, abs=1e-6)
    assert {row["cut"] for row in rows[1:]} <= set(SEARCH.cuts)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"head": "flatten-dense"}, "head flatten-dense: the head gap alone"),
        ({"augmentation": "live"}, "augmentation live: .* take off or cached"),
        ({"unfreeze": "mixed0..mixed1"}, "unfreeze mixed0..mixed1: .* leave it empty"),
    ],
)
def test_settings_without_kept_pooled_features_are_refused(change, said):
    with pytest.raises(GraftError, match=said):
        searchable(dataclasses.replace(BASE, **change))


def test_a_recipe_that_no_command_would_read_is_refused_before_anything_is_done(dataset, tmp_path):
    with pytest.raises(GraftError, match="recipe can't be .*tuned.json: give a file that ends in .yaml"):
        tune(dataset, str(tmp_path / "tuned.json"), "random", BASE, SEARCH)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("folder.yaml", r"folder\.yaml: that is a folder; name a file in it"),
        ("file/tuned.yaml", r"file/tuned\.yaml can't be reached: FileExistsError"),
        ("\udcff.yaml", r"is no valid UTF-8: rename the file"),
    ],
)
def test_a_recipe_that_can_t_be_written_is_refused_before_an_hour_of_search(
    dataset, tmp_path, monkeypatch, output, said
):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr(searching, "find_devices", pytest.fail)  # where work begins
    with pytest.raises(GraftError, match=said):
        tune(dataset, str(tmp_path / output), "random", BASE, SEARCH)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.yaml"]


def test_a_recipe_s_place_keeps_nothing_of_the_probe_and_what_was_there_stays(tmp_path):
    (tmp_path / "tuned.yaml").write_text("dropout: 0.1")
    check_place(str(tmp_path / "tuned.yaml"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["dropout: 0.1"]


@pytest.mark.parametrize(
    ("gained", "said"), [(0.0, "better than the beginning is none of 1 trials"), (0.1, "the best of 1 trials")]
)
def test_a_recipe_says_all_that_was_searched_also_where_nothing_better_was_found(tmp_path, gained, said):
    start = Tried(TrainConfig(), np.ones(1), np.array([True]), 1)
    write_recipe(
        str(tmp_path / "tuned.yaml"), [start, dataclasses.replace(start, losses=1 - np.full(1, gained))], "abc"
    )
    text = (tmp_path / "tuned.yaml").read_text()
    assert said in text
    assert yaml.safe_load(text) == {name: getattr(TrainConfig(), name) for name in SEARCHED}


def test_a_recipe_of_any_name_can_be_read(tmp_path):
    recipe = str(tmp_path / "new\nline: 'ü\x07.yaml")
    write_recipe(recipe, [Tried(BASE, np.zeros(1), np.array([True]), 1)], "abc")
    assert train_config(read_recipe(recipe)) == BASE


@pytest.mark.parametrize("backbone", ARCHITECTURES)
def test_cuts_that_are_tried_unless_named_are_the_backbone_s(backbone):
    cuts = cuts_of(backbone)
    base = dataclasses.replace(BASE, backbone=backbone, cut=OWN)
    assert len(set(cuts)) == 10 and all(dataclasses.replace(base, cut=cut).cut == cut for cut in cuts)
    assert set("+".join(cuts).split("+")) <= set(ARCHITECTURES[backbone].blocks)


def test_what_was_given_up_is_never_the_best_and_a_gain_is_of_pairs():
    start = Tried(BASE, np.array([0.5, 0.1, 0.4, 0.2]), np.array([True] * 4), 4)
    better = dataclasses.replace(start, losses=start.losses - np.array([0.1, 0.1, 0.1, 0.1]))
    part = dataclasses.replace(start, losses=np.array([0.0, 0.0]))
    assert best_of([start, part, better, start]) is better
    assert gain(better, start) == pytest.approx((0.1, 0.0))


def test_settings_are_as_round_as_the_recipe_has_them():
    class Trial:
        def suggest_categorical(self, name, choices):
            return choices[-1]

        def suggest_float(self, name, low, high, **_):
            return low + (high - low) / 3

    config = suggested(Trial(), BASE, SEARCH)
    assert (config.learning_rate, config.dropout, config.label_smoothing) == (0.033, 0.3, 0.03)
    assert (config.cut, config.mirror, config.epochs) == ("activation+mixed0", True, BASE.epochs)
