"""A training whose features parts compute: the model and its record are those of a training without."""

import dataclasses
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from support import JOINED, QUICK

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute import packs
from graft.components.common.compute.kept_features import PLAIN, FeatureCache, kind_of_features
from graft.components.common.compute.pack_file import kind_and_names
from graft.components.common.errors import GraftError
from graft.components.common.runs.part_record import PartRecording, component_part, recorded_part
from graft.components.common.runs.parts import PartNumber, planned_items, read_parts
from graft.components.common.runs.run import Run
from graft.components.train.features import extraction
from graft.components.train.features.planned import Planned
from graft.components.train.features.training_set import collect_training_set
from graft.components.train.network.assembly import build_network
from graft.components.train.network.backbone import number_layers_afresh
from graft.components.train.parts.part import train_part
from graft.components.train.parts.plan import find_work, plan_train
from graft.components.train.train import train

pytestmark = pytest.mark.slow

# What the command `graft` is.
GRAFT = "import sys; from graft.pipelines.cli.app import main; sys.exit(main())"


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "store"), "pets", "run-1")


@pytest.fixture(scope="module")
def network():
    number_layers_afresh()
    return build_network(JOINED, None)


@pytest.fixture(scope="module")
def alone(dataset, network):
    """What a training without parts is trained on."""
    return collect_training_set(Dataset.load(dataset), network, JOINED, "")


@pytest.fixture
def passed(monkeypatch):
    """How many images each pass of the backbone has, as they come."""
    seen, extract = [], extraction._extract

    def counted(dataset, needed, numbers, *rest):
        seen.append(len(numbers))
        return extract(dataset, needed, numbers, *rest)

    monkeypatch.setattr(extraction, "_extract", counted)
    return seen


def do(item, dataset, config, run):
    with recorded_part("train", PartNumber.parse(item), run) as part:
        train_part(dataset, "random", config, part)


def collected(dataset, network, config, run):
    """What the step trains on once the parts are done."""
    data = Dataset.load(dataset)
    return collect_training_set(
        data, network, config, run.store, Planned.of_table(planned_items(run, "train"), data, config)
    )


def assert_same(found, alone):
    np.testing.assert_array_equal(found.vectors, alone.vectors)
    np.testing.assert_array_equal(found.selection_vectors, alone.selection_vectors)
    assert (found.computed, found.cached) == (alone.computed, alone.cached) == (40, 0)


def features(run):
    return sorted(Path(run.store).glob("features/*/*.arrow"))


def record(model):
    return json.loads((model / "training.json").read_text())


def test_parts_in_reverse_order_give_the_same_model(dataset, joined_training, run, passed, tmp_path, monkeypatch):
    count = 4
    monkeypatch.setattr(packs, "_FEW", 3)
    asked = set()
    monkeypatch.setattr(extraction, "pays_to_compile", lambda pixels: bool(asked.add(pixels)))
    items = plan_train(dataset, "random", JOINED, run, count, 1)
    assert items == [f"{number}/{count}" for number in range(1, count + 1)]
    for item in reversed(items):
        do(item, dataset, JOINED, run)
    assert [(part.status, part.planned, part.done) for part in read_parts(run, "train")] == [
        ("succeeded", images, images) for images in reversed(passed)
    ]
    assert sum(passed) == 40 and len(passed) == count and asked == {40 * 2 * 75 * 75}
    assert len(features(run)) == 4 * count, "a part joins no packs"
    passed.clear()
    result = train(dataset, tmp_path / "model", "random", JOINED, run.store, planned_items(run, "train"))
    assert not passed and len(features(run)) == 4, "the step joins them"
    found, usual = record(tmp_path / "model"), record(joined_training / "model")
    for name in ("model_digest", "history", "features", "selection"):
        assert found[name] == usual[name]
    assert result.computed == 40


def test_a_single_part_leaves_the_work_to_the_step(dataset, run, passed):
    assert plan_train(dataset, "random", JOINED, run, 7, 100) == ["1/1"]
    do("1/1", dataset, JOINED, run)
    assert not passed and not features(run)


def killed(forker, folder, dataset, run, config):
    """A part that is killed once its first batch is written: 16 images, 2 views, 2 cuts."""
    script = f"""
import os, pathlib, signal
from graft.components.common.compute import packs
from graft.components.common.runs.part_record import component_part
from graft.components.train.config import TrainConfig
from graft.components.train.network.backbone import number_layers_afresh
from graft.components.train.parts.part import train_part
packs.PACK_SECONDS, written, write = 0, [], packs.PackCache._write
def write_and_die(self, *arguments):
    write(self, *arguments)
    written.append(1)
    if len(written) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
packs.PackCache._write = write_and_die
with component_part("train", {run.store!r}, {run.name!r}, {run.run_id!r}, "1/2") as part:
    train_part(pathlib.Path({str(dataset)!r}), "random", TrainConfig(**{dataclasses.asdict(config)!r}), part)
"""
    [(code, _)] = forker.run(folder, script, [])
    return code


def test_a_part_that_is_killed_goes_on_where_it_was(
    forker, dataset, network, alone, run, passed, tmp_path, monkeypatch
):
    plan_train(dataset, "random", JOINED, run, 2, 1)
    assert killed(forker, tmp_path, dataset, run, JOINED) == -signal.SIGKILL
    assert len(features(run)) == 4
    told, advance = [], PartRecording.advance
    monkeypatch.setattr(PartRecording, "advance", lambda self, images: told.append(images) or advance(self, images))
    monkeypatch.setattr(packs, "PACK_SECONDS", 0.0)
    do("1/2", dataset, JOINED, run)
    assert passed == [4] and told[0] == 16
    told.clear()
    do("2/2", dataset, JOINED, run)
    assert told == [0, 16, 4, 0], "images count once all that is made of them is written"
    passed.clear()
    assert_same(collected(dataset, network, JOINED, run), alone)
    assert not passed


def test_a_part_by_hand_that_runs_twice_at_once(forker, dataset, network, alone, run, passed, tmp_path):
    settings = {"--cut": JOINED.cut, "--image-size": 75, "--batch-size": 16, "--part": "1/2", "--store": run.store}
    words = ["--dataset", dataset, "--weights", "random", "--mirror", "--name", run.name, "--run-id", run.run_id]
    command = ["train", *words, *sum(settings.items(), ())]
    for code, output in forker.run(tmp_path, GRAFT, command, command):
        assert code == 0 and "part 1/2 is done" in output
    passed.clear()
    found = collected(dataset, network, JOINED, run)
    assert passed == [20], "nobody did the second part"
    assert_same(found, alone)


def test_what_is_damaged_or_missing_the_step_computes(dataset, network, alone, run, passed, caplog):
    plan_train(dataset, "random", JOINED, run, 3, 1)
    for item in ("3/3", "1/3"):
        do(item, dataset, JOINED, run)
    harmed = features(run)[0]
    with harmed.open("rb") as file:
        _, lost = kind_and_names(file)
    content = bytearray(harmed.read_bytes())
    content[len(content) // 2] ^= 1
    harmed.write_bytes(content)
    passed.clear()
    assert_same(collected(dataset, network, JOINED, run), alone)
    assert f"damaged and computed again: {harmed}" in caplog.text
    assert passed == [13 + len(lost)] and len(lost) >= 13


def test_a_bad_shard_is_on_record_and_the_step_names_it(dataset, run, tmp_path, caplog):
    damaged = tmp_path / "dataset"
    shutil.copytree(dataset, damaged)
    plan_train(damaged, "random", JOINED, run, 2, 1)
    with (damaged / "train-00000.tfrecord").open("r+b") as file:
        file.seek(50_000)
        file.write(b"\0" * 100)
    with component_part("train", run.store, run.name, run.run_id, "1/2") as part:
        train_part(damaged, "random", JOINED, part)
    (found,) = read_parts(run, "train")
    assert found.status == "failed" and "train-00000.tfrecord" in found.reason and found.done == 0
    with pytest.raises(GraftError, match=r"train-00000\.tfrecord .* remove this shard"):
        train(damaged, tmp_path / "model", "random", JOINED, run.store, planned_items(run, "train"))


def test_a_plan_counts_what_either_precision_lacks(dataset, network, run):
    """It may run where there is no GPU, and the training where there is one."""
    data = Dataset.load(dataset)
    index = data.index("train", ["sha256"])["sha256"]

    def fill(precision, images):
        for view in (PLAIN, "mirrored"):
            for cut in JOINED.cut.split("+"):
                kind = kind_of_features(dataclasses.asdict(JOINED), network.weights_digest, precision, view, cut)
                cache = FeatureCache(run.store, kind)
                cache.keep(index[:images], np.zeros((images, 5), np.float16))
                cache.flush()

    fill("float32", 10)
    found = find_work(data, "random", JOINED, run.store)
    assert found.rows["train"].tolist() == list(range(10, 40))
    fill("mixed_float16", 39)
    found = find_work(data, "random", JOINED, run.store)
    assert found.rows["train"].tolist() == [39]
    again = Planned.of_table(found.to_table(), data, JOINED)
    assert again.rows["train"].tolist() == [39] and again.work == found.work
    assert (again.work_of("float32", "train").images, again.work_of("mixed_float16", "train").images) == (30, 1)
    assert again.work_of("float32", "train").views == (0, 1)
    other = data.model_copy(update={"digest": "0" * 64})
    with pytest.raises(GraftError, match="planned for another dataset"):
        Planned.of_table(found.to_table(), other, JOINED)


@pytest.mark.parametrize(
    "first, then",
    [
        ({"mirror": True}, {}),
        ({"head": "flatten-dense"}, {"head": "flatten-dense", "augmentation": "live"}),
        ({}, {"selection_split": "validation"}),
    ],
)
def test_parts_of_other_settings_are_refused_by_name(dataset, run, tmp_path, first, then):
    """Their views have other numbers, and more images may have passed than the training needs."""
    plan_train(dataset, "random", dataclasses.replace(QUICK, cut="activation_11", **first), run, 2, 1)
    other = dataclasses.replace(QUICK, cut="activation_11", **then)
    with pytest.raises(GraftError, match="planned for other settings"):
        do("1/2", dataset, other, run)
    with pytest.raises(GraftError, match="planned for other settings"):
        train(dataset, tmp_path / "model", "random", other, run.store, planned_items(run, "train"))


def test_a_head_that_takes_no_features_is_one_part(dataset, run):
    live = dataclasses.replace(QUICK, augmentation="live", head="flatten-dense", selection_split="validation")
    found = find_work(Dataset.load(dataset), "random", live, run.store)
    assert {split: len(rows) for split, rows in found.rows.items()} == {"train": 0, "validation": 20}
    assert plan_train(dataset, "random", live, run, 7, 20) == ["1/1"]
