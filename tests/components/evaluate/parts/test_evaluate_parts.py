"""An evaluation whose models parts run: figures, predictions and lists are those of an evaluation without."""

import hashlib
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.compute import pack_file
from graft.components.common.compute.keras_models import load_model
from graft.components.common.errors import GraftError
from graft.components.common.runs.part_record import component_part, recorded_part
from graft.components.common.runs.parts import PartNumber, parts_folder, read_parts, read_plan
from graft.components.common.runs.run import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate
from graft.components.evaluate.parts.part import evaluate_part
from graft.components.evaluate.parts.plan import plan_evaluate, rows_of, to_answer
from graft.components.evaluate.predictions import answers as answers_of
from graft.components.evaluate.predictions import kept_predictions
from graft.components.evaluate.predictions.answers import PartAnswers, all_answers

pytestmark = pytest.mark.slow

# What the command `graft` is.
GRAFT = "import sys; from graft.pipelines.cli.app import main; sys.exit(main())"
SPLIT = "validation"


@pytest.fixture
def run(joined_training, tmp_path):
    """A run whose store has what the training left there."""
    shutil.copytree(joined_training / "store", tmp_path / "store")
    return Run(str(tmp_path / "store"), "pets", "run-1")


@pytest.fixture(scope="module")
def config(other_model, chain):
    return EvaluateConfig(champion=str(other_model), anchor=str(chain / "model"))


@pytest.fixture(scope="module")
def alone(joined_training, dataset, config, tmp_path_factory):
    """An evaluation without parts."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(joined_training / "store", folder / "store")
    run = Run(str(folder / "store"), "pets", "run-1")
    return whole(
        folder / "evaluation", evaluate(joined_training / "model", dataset, folder / "evaluation", config, run)
    )


def whole(folder, result):
    """All that an evaluation says but when and how fast it was made, and what it read."""
    found = json.loads((folder / "evaluation.json").read_text())
    for name in ("created", "images_per_second"):
        del found[name]
    outcome = result.model_dump(exclude={"path", "bytes_read", "bytes_written"})
    return found, outcome, *((folder / name).read_bytes() for name in ("predictions.parquet", "labels.csv"))


@pytest.fixture
def passed(monkeypatch):
    """How many images each pass of a model has, as they come."""
    seen = []
    for module in (answers_of, kept_predictions):

        def counted(model, data, split, what, wanted, *rest, run=module.predict_batches):
            seen.append((what.removeprefix("evaluating "), int(wanted.sum())))
            return run(model, data, split, what, wanted, *rest)

        monkeypatch.setattr(module, "predict_batches", counted)
    return seen


def do(item, model, dataset, config, run):
    with recorded_part("evaluate", PartNumber.parse(item), run) as part:
        evaluate_part(model, dataset, config, part)


def left(run):
    return sorted(Path(parts_folder(run, "evaluate")).rglob("*.arrow"))


def test_parts_in_reverse_order_give_the_same_evaluation(
    dataset, joined_training, config, alone, run, passed, tmp_path
):
    model, count = joined_training / "model", 3
    items = plan_evaluate(model, dataset, config, run, count, 1)
    assert items == [f"{number}/{count}" for number in range(1, count + 1)]
    for item in reversed(items):
        do(item, model, dataset, config, run)
    parts = read_parts(run, "evaluate")
    assert {part.status for part in parts} == {"succeeded"}
    assert [part.done for part in parts] == [part.planned for part in parts]
    for what in ("images", "the champion", "the anchor"):
        shares = [images for name, images in passed if name == what]
        assert sum(shares) == 20 and len(shares) == count
    assert not list(Path(run.store).glob("predictions/*/*")), "the step keeps them, which counts them"
    passed.clear()
    result = evaluate(model, dataset, tmp_path / "evaluation", config, run)
    assert not passed
    assert whole(tmp_path / "evaluation", result) == alone
    assert result.baselines_computed == 40 and len(json.loads(json.dumps(alone[0]["labels"]))["splits"]) == 2
    assert not left(run) and read_plan(run, "evaluate").work == 20


def test_a_single_part_leaves_the_work_to_the_step_and_baselines_run_where_nothing_is_kept(
    dataset, joined_training, config, run, passed, tmp_path
):
    model = joined_training / "model"
    assert plan_evaluate(model, dataset, config, run, 7, 100) == ["1/1"]
    do("1/1", model, dataset, config, run)
    assert not passed and not left(run)
    evaluate(model, dataset, tmp_path / "first", config, run)
    passed.clear()
    second = Run(run.store, run.name, "run-2")
    plan_evaluate(model, dataset, config, second, 2, 1)
    do("2/2", model, dataset, config, second)
    assert passed == [("images", 10)]
    result = evaluate(model, dataset, tmp_path / "second", config, second)
    assert passed == [("images", 10), ("images", 10)]
    assert (result.baselines_computed, result.baselines_kept) == (0, 40)


@pytest.fixture(scope="module")
def said(joined_training, dataset):
    """What the model says without parts."""
    return answers(joined_training / "model", dataset, "")


def answers(model, dataset, folder):
    data, training = Dataset.load(dataset), Model.load(model)
    sha256s = data.index(SPLIT, ["sha256"])["sha256"]
    parts = PartAnswers(folder, training, len(sha256s), seen=True)
    return all_answers(load_model(model), data, SPLIT, sha256s, parts, seen=True)


def assert_same(found, said):
    for name in ("probabilities", "mapped", "seen"):
        np.testing.assert_array_equal(getattr(found, name), getattr(said, name))


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def with_values(path, what, values):
    """Writes a pack anew with other rows, under the name that its digest gives it."""
    with path.open("rb") as file:
        kind, names = pack_file.kind_and_names(file)
    content = pack_file.pack(names, values(len(names)), what, json.dumps(kind, sort_keys=True))
    path.unlink()
    path.with_name(f"{hashlib.sha256(content).hexdigest()}.arrow").write_bytes(content)


HARMS = {
    "predictions": flipped,
    "mapped": lambda path: with_values(path, "mapped", lambda count: np.full((count, 64), np.nan, np.float32)),
    "seen": lambda path: with_values(path, "seen", lambda count: np.ones((count, 7), np.float16)),
}


def test_what_is_damaged_can_t_be_or_is_missing_the_step_computes(dataset, joined_training, said, run, passed, caplog):
    """Each part's answers are harmed in another way, and the last part never was."""
    model, config = joined_training / "model", EvaluateConfig(champion="none", anchor="none")
    plan_evaluate(model, dataset, config, run, 5, 1)
    known = set()
    for number, (what, harm) in enumerate(HARMS.items(), 1):
        do(f"{number}/5", model, dataset, config, run)
        (path,) = (path for path in left(run) if path not in known and path.parts[-3] == what)
        harm(path)
        known = set(left(run))
    do("4/5", model, dataset, config, run)
    passed.clear()
    assert_same(answers(model, dataset, parts_folder(run, "evaluate")), said)
    assert passed == [("images", 16)]
    for told in ("predictions is damaged", "it holds what is no number", "it holds seen of another kind"):
        assert told in caplog.text


def killed(forker, folder, model, dataset, champion, run):
    """A part that is killed when the champion's predictions and some of the new model's answers are written."""
    script = f"""
import os, pathlib, signal
from graft.components.common.compute import packs
from graft.components.common.runs.part_record import component_part
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.parts.part import evaluate_part
written, write = [], packs.PackCache._write
def write_and_die(self, *arguments):
    write(self, *arguments)
    written.append(1)
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
packs.PackCache._write = write_and_die
config = EvaluateConfig(champion={str(champion)!r}, anchor="none")
with component_part("evaluate", {run.store!r}, {run.name!r}, {run.run_id!r}, "1/2") as part:
    evaluate_part(pathlib.Path({str(model)!r}), pathlib.Path({str(dataset)!r}), config, part)
"""
    [(code, _)] = forker.run(folder, script, [])
    return code


def test_a_part_that_is_killed_goes_on_where_it_was(
    forker, dataset, joined_training, other_model, said, run, passed, tmp_path
):
    model, config = joined_training / "model", EvaluateConfig(champion=str(other_model), anchor="none")
    plan_evaluate(model, dataset, config, run, 2, 1)
    assert killed(forker, tmp_path, model, dataset, other_model, run) == -signal.SIGKILL
    assert len(left(run)) == 3
    for item in ("1/2", "2/2"):
        do(item, model, dataset, config, run)
    assert passed == [("images", 10), ("the champion", 10), ("images", 10)]
    passed.clear()
    assert_same(answers(model, dataset, parts_folder(run, "evaluate")), said)
    assert not passed


def test_a_part_by_hand_that_runs_twice_at_once(forker, dataset, joined_training, said, run, passed, tmp_path):
    model = joined_training / "model"
    words = ["--model", model, "--dataset", dataset, "--part", "2/2", "--champion", "none", "--anchor", "none"]
    words += ["--store", run.store, "--name", run.name, "--run-id", run.run_id]
    command = ["evaluate", *words]
    for code, output in forker.run(tmp_path, GRAFT, command, command):
        assert code == 0 and "part 2/2 is done" in output
    assert_same(answers(model, dataset, parts_folder(run, "evaluate")), said)
    assert passed == [("images", 10)], "nobody did the first part"


def test_a_bad_shard_is_on_record_and_the_step_names_it(dataset, joined_training, run, tmp_path):
    model, config = joined_training / "model", EvaluateConfig(champion="none", anchor="none")
    damaged = tmp_path / "dataset"
    shutil.copytree(dataset, damaged)
    plan_evaluate(model, damaged, config, run, 2, 1)
    with (damaged / "validation-00000.tfrecord").open("r+b") as file:
        file.seek(10_000)
        file.write(b"\0" * 100)
    with component_part("evaluate", run.store, run.name, run.run_id, "1/2") as part:
        evaluate_part(model, damaged, config, part)
    (found,) = read_parts(run, "evaluate")
    assert found.status == "failed" and "validation-00000.tfrecord" in found.reason and found.done == 0
    with pytest.raises(GraftError, match=r"validation-00000\.tfrecord .* remove this shard"):
        evaluate(model, damaged, tmp_path / "evaluation", config, run)


def test_a_plan_of_other_images_is_refused(dataset):
    data = Dataset.load(dataset)
    items = to_answer(data, SPLIT)
    assert rows_of(items, data, SPLIT).tolist() == list(range(20))
    for other, split in ((data.model_copy(update={"digest": "0" * 64}), SPLIT), (data, "train")):
        with pytest.raises(GraftError, match="planned for other images"):
            rows_of(items, other, split)
