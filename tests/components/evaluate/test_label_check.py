"""Labels that are probably wrong: found in synthetic features and in real runs, listed, shown, and told to the gate."""

import csv
import dataclasses

import numpy as np
import pytest
from evaluation_reports import Made
from support import QUICK

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.lists.labels_list import COLUMNS, CheckedSplit, LabelCheck
from graft.components.common.compute.likeness.pictures import deal_folds
from graft.components.common.runs.run import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate
from graft.components.evaluate.labels.confident_learning import find_suspects
from graft.components.evaluate.labels.known_features import Known, gather
from graft.components.evaluate.labels.label_check import LEAST, check_labels
from graft.components.evaluate.labels.neighbours import nearest
from graft.components.evaluate.labels.out_of_fold import FOLDS, out_of_fold
from graft.components.gate.config import GateConfig
from graft.components.gate.rules import judge
from graft.components.train.train import train

CLASSES = ("cat", "dog", "emu")


def made_up(images=300, flipped=15, classes=3, seed=0):
    """Features of classes well apart, with some labels wrong: features, labels, true where a label is wrong, digests."""
    random = np.random.default_rng(seed)
    truth = np.arange(images) % classes
    features = (6 * np.eye(classes, 16)[truth] + random.standard_normal((images, 16))).astype(np.float16)
    wrong = np.zeros(images, bool)
    wrong[random.choice(images, flipped, replace=False)] = True
    return features, (truth + wrong) % classes, wrong, [random.bytes(32).hex() for _ in range(images)]


def known_of(features, labels, sha256s, kept=None, evaluated=100, found=None):
    split = (np.arange(len(labels)) >= evaluated).astype(int)
    rows = np.concatenate([np.arange(evaluated), np.arange(len(labels) - evaluated)])
    paths = [f"{number}.jpg" for number in range(len(labels))]
    kept = np.zeros(len(labels), bool) if kept is None else kept
    found = np.ones(len(labels), bool) if found is None else found
    pictures = np.unique(sha256s, return_inverse=True)[1]
    return Known(("validation", "train"), split, rows, sha256s, paths, pictures, labels, kept, features, found, 0, 0)


@pytest.fixture
def data():
    made = Made().dataset
    return made.model_copy(update={"classes": CLASSES})


def test_the_confident_joint_by_hand():
    """The worked kind of example of Northcutt et al.: thresholds are each class's mean probability of itself."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.95, 0.05]])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    # Thresholds: (0.9 + 0.8 + 0.1 + 0.4) / 4 = 0.55 and (0.8 + 0.7 + 0.05) / 3 = 0.517.
    rows, looks = find_suspects(probabilities, labels)
    assert rows.tolist() == [6, 2, 3] and looks.tolist() == [0, 1, 1]


def test_a_class_that_is_hard_as_a_whole_is_not_suspected():
    probabilities = np.array([[0.45, 0.55]] * 10 + [[0.02, 0.98]] * 10)
    rows, _ = find_suspects(probabilities, np.repeat([0, 1], 10))
    assert not len(rows)


def test_flipped_labels_are_found():
    features, labels, wrong, _ = made_up()
    probabilities = out_of_fold(features, labels, deal_folds(np.arange(len(labels)), labels, FOLDS))
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    rows, looks = find_suspects(probabilities, labels)
    assert wrong[rows].mean() >= 0.9 and wrong[rows].sum() >= 0.6 * wrong.sum()
    assert (looks == (labels[rows] - 1) % 3)[wrong[rows]].all()


def test_a_class_that_shows_one_picture_again_and_again_is_not_judged(data):
    """As the images of a film are: each is the twin of the next."""
    features, labels, _, sha256s = made_up(classes=2)
    film = dataclasses.replace(
        known_of(features, labels, sha256s), pictures=np.where(labels == 0, 0, np.arange(len(labels)))
    )
    checked, suspects = check_labels(film, data, np.ones(100, bool))
    assert checked.reason == f"fewer than two classes have {LEAST} different images to compare" and not suspects


def test_neighbours_are_the_nearest_by_direction(monkeypatch):
    from graft.components.evaluate.labels import neighbours

    monkeypatch.setattr(neighbours, "_AT_ONCE", 7)
    features = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float16)
    away = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    likeness = (away @ away.T) / np.outer(*[np.linalg.norm(away, axis=1)] * 2)
    np.fill_diagonal(likeness, -2)
    rows = np.array([3, 20, 49])
    assert (nearest(features, rows, 4) == np.argsort(-likeness[rows], axis=1)[:, :4]).all()


def test_the_record_counts_by_split_and_bounds_the_accuracy(data):
    features, labels, wrong, sha256s = made_up()
    right = ~wrong[:100]
    right[:3] = [False, False, True]
    checked, suspects = check_labels(known_of(features, labels, sha256s), data, right)
    here = [one.place.row for one in suspects if one.place.split == "validation"]
    assert [split.images for split in checked.splits] == [100, 200]
    assert checked.suspected == len(suspects) and checked.suspected_here == len(here) > 0
    low, high = checked.accuracy_range
    assert low <= right.mean() <= high
    assert high == pytest.approx(right.mean() + (~right[here]).sum() / 100)
    assert low == pytest.approx(right.mean() - right[here].sum() / 100)
    others = np.setdiff1d(np.arange(100), here)
    assert checked.accuracy_without == pytest.approx(right[others].mean())
    assert all(len(one.neighbours) == 3 for one in suspects[:24])


def test_a_kept_label_is_not_suspected_again(data):
    features, labels, wrong, sha256s = made_up()
    _, before = check_labels(known_of(features, labels, sha256s), data, np.ones(100, bool))
    _, after = check_labels(known_of(features, labels, sha256s, kept=wrong), data, np.ones(100, bool))
    silenced = {one.sha256 for one in before} - {one.sha256 for one in after}
    assert silenced and silenced <= {digest for digest, is_wrong in zip(sha256s, wrong, strict=True) if is_wrong}


def test_images_without_features_have_no_part(data):
    features, labels, _, sha256s = made_up()
    here = np.arange(300) < 100
    some, among = (known_of(features * at[:, None], labels, sha256s, found=at) for at in (here, np.ones(300, bool)))
    checked, suspects = check_labels(some, data, np.ones(100, bool))
    told = [(split.split, split.images, split.left_out) for split in checked.splits[:2]]
    assert told == [("validation", 100, None), ("train", 0, 200)]
    assert {one.place.split for one in suspects} == {"validation"}
    assert {near.split for one in suspects for near in one.neighbours} == {"validation"}
    assert [split.left_out for split in check_labels(among, data, np.ones(100, bool))[0].splits[:2]] == [None, None]


def test_a_class_of_few_images_is_not_judged(data):
    features, labels, _, sha256s = made_up()
    rare = np.flatnonzero(labels == 2)[LEAST - 1 :]
    left = np.setdiff1d(np.arange(300), rare)
    known = known_of(features[left], labels[left], [sha256s[row] for row in left], evaluated=50)
    checked, suspects = check_labels(known, data, np.ones(50, bool))
    assert "emu" not in {one.place.label for one in suspects} | {one.suggested for one in suspects}
    assert sum(split.images for split in checked.splits) == len(left) - (LEAST - 1)
    copies = known_of(features[left], labels[left], ["ab" * 32] * len(left), evaluated=50)
    assert check_labels(copies, data, np.ones(50, bool))[0].reason.startswith("fewer than two classes have 20")


def test_the_gate_and_the_report_say_how_far_wrong_labels_move_the_accuracy(tmp_path):
    made = Made()
    splits = (
        CheckedSplit(split="validation", images=60, suspected=5),
        CheckedSplit(split="train", images=9, suspected=1, left_out=3),
    )
    labels = LabelCheck(splits=splits, accuracy_without=0.825, accuracy_range=(0.76, 0.84))
    made.evaluation = made.evaluation.model_copy(update={"labels": labels})
    rule = next(judge(made.evaluation, GateConfig(min_accuracy=0.7)))
    assert rule.sentence.endswith(
        "required 0.7 (5 suspected labels may move the accuracy to between 0.7600 and 0.8400)"
    )
    text = made.write(tmp_path / "report.html").text
    assert "5 of the 60 validation labels are probably wrong. On the others the accuracy is 82.5%." in text
    assert (
        "6 labels are probably wrong: 5 of 60 in validation, 1 of 9 in train. 3 other train images were not looked at: "
        in text
    )


def test_without_a_store_only_the_evaluated_images_are_looked_at(chain):
    evaluation = Evaluation.load(chain / "evaluation")
    assert evaluation.labels.reason == "fewer than two classes have 20 different images to compare"
    assert (chain / "evaluation" / Evaluation.LABELS).read_text().split() == [",".join(COLUMNS)]


@pytest.mark.slow
def test_a_run_with_a_store_looks_at_all_splits_and_writes_the_same_again(dataset, tmp_path):
    """Also where features are kept cut by cut."""
    store = str(tmp_path / "store")
    train(
        dataset,
        tmp_path / "model",
        "random",
        dataclasses.replace(QUICK, cut="activation+activation_2", epochs=1),
        store,
    )
    run = Run(store, "pets", "a-run")
    made = [evaluate(tmp_path / "model", dataset, tmp_path / name, run=run) for name in ("one", "two")]
    checked, data = Evaluation.load(tmp_path / "one").labels, Dataset.load(dataset)
    foreign, again = (Evaluation.load(tmp_path / name).foreign for name in ("one", "two"))
    assert foreign == again and foreign.images == 20 and [kind.images for kind in foreign.planted] == [16] * 4
    assert {split.split: split.images for split in checked.splits} == {"validation": 20, "train": 40}
    with (tmp_path / "one" / Evaluation.LABELS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == checked.suspected == made[0].suspected_labels
    for row in rows:
        index = data.index(row["split"], ["path", "sha256", "label"])
        place = index["path"].index(row["path"])
        assert (index["sha256"][place], index["label"][place]) == (row["sha256"], row["label"])
        assert row["suggested"] in data.classes and row["suggested"] != row["label"] and row["correction"] == ""
    one, two = ((tmp_path / name / Evaluation.LABELS).read_bytes() for name in ("one", "two"))
    assert one == two == (tmp_path / "store/models/pets/runs/a-run" / Evaluation.LABELS).read_bytes()
    # Of images that are neither evaluated nor trained on the features are computed, and kept.
    other = evaluate(
        tmp_path / "model", dataset, tmp_path / "other", EvaluateConfig(split="train"), Run(store, "pets", "b")
    )
    checked = Evaluation.load(tmp_path / "other").labels
    assert [(split.split, split.images) for split in checked.splits] == [("train", 40), ("validation", 20)]
    assert other.bytes_written > made[1].bytes_written == 0


def test_features_that_are_no_numbers_count_as_unknown(dataset):
    data = Dataset.load(dataset)
    seen = np.random.default_rng(0).standard_normal((data.count("validation"), 8)).astype(np.float16)
    seen[3, 1], seen[5, 0] = np.nan, np.inf
    known = gather(data, "validation", seen, None, None, "")
    assert sorted(known.rows[~known.found]) == [3, 5]
    checked, _ = check_labels(known, data, np.ones(len(seen), bool))
    assert checked.reason or checked.splits[0].left_out == 2
