"""Records are types: today's and the version before are read and written, and a damaged one is named in one sentence."""

import json

import pytest
from pydantic import ValidationError
from support import ROOT

from graft.components.common.artifacts.dataset import Dataset, LeftOutTwin, Unusable
from graft.components.common.artifacts.decision import Decision, Rule
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.model import Model, Stopped
from graft.components.common.artifacts.outcomes.run_record import STEP_RECORDS
from graft.components.common.artifacts.record import SCHEMA_VERSION
from graft.components.common.errors import DamagedRecordError, GraftError

FIXTURES = ROOT / "tests/fixtures"
ARTIFACTS = (Dataset, Model, Evaluation, Decision, Export)
TODAY = FIXTURES / f"schema_{SCHEMA_VERSION}"


def records():
    """All records of the fixtures with their types."""
    for path in sorted(FIXTURES.glob("schema_*/**/*.json")):
        in_a_run = path.parents[1].name == "runs"
        kind = STEP_RECORDS[path.stem] if in_a_run else {entry.FILE: entry for entry in (*ARTIFACTS, Latest)}[path.name]
        yield pytest.param(path, kind, id="/".join(path.parts[-3:]))


def in_todays_words(value):
    """What a record says, with the words for why a training stopped that are written today."""
    if isinstance(value, dict):
        return {key: Stopped(entry) if key == "stopped" else in_todays_words(entry) for key, entry in value.items()}
    return [in_todays_words(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("path", "kind"), list(records()))
def test_what_is_on_disk_is_read_and_written_again_as_it_was(path, kind):
    before = json.loads(path.read_text(encoding="utf-8"))
    record = kind.parse(path.read_bytes(), str(path))
    after = json.loads(record.text())
    assert record.schema_version == SCHEMA_VERSION
    assert kind.parse(record.text().encode(), "again") == record
    if before["schema_version"] == SCHEMA_VERSION:
        assert after == in_todays_words(before)
        assert list(after) == list(before) or kind is Latest  # whose schema_version used to come last
    else:
        expected = in_todays_words(before) | {"schema_version": SCHEMA_VERSION}
        if before.get("outcome"):
            after["outcome"] = {key: after["outcome"][key] for key in before["outcome"]}
        assert {key: after[key] for key in before} == expected


def test_the_fixture_of_today_has_something_of_everything():
    dataset, evaluation = Dataset.load(TODAY / "lineage"), Evaluation.load(TODAY / "lineage")
    assert {type(entry) for entry in dataset.excluded} == {Unusable, LeftOutTwin}
    assert evaluation.comparisons.champion and evaluation.drift.measures
    assert Export.load(TODAY).formats["model-int8.tflite"].tried


def test_an_artifact_knows_its_folder_and_is_written_whole(tmp_path):
    decision = Decision.load(TODAY / "lineage")
    assert decision.path == TODAY / "lineage"
    decision.write(tmp_path)
    assert decision.path == tmp_path and [path.name for path in tmp_path.iterdir()] == ["decision.json"]
    assert (tmp_path / "decision.json").read_bytes() == (TODAY / "lineage/decision.json").read_bytes()
    with pytest.raises(RuntimeError, match="no directory yet"):
        _ = Decision(**dict(decision)).path


def test_a_record_is_frozen_and_holds_numbers_alone():
    decision = Decision.load(TODAY / "lineage")
    with pytest.raises(ValidationError, match="frozen"):
        decision.passed = False
    with pytest.raises(ValidationError, match="finite number"):
        Rule(rule="x", threshold=0.5, value=float("nan"), passed=True, sentence="")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda record: record.pop("split"), r"evaluation\.json is damaged \(it has no split\): evaluate again\."),
        (lambda record: record.pop("schema_version"), r"is damaged \(it has no schema_version\): evaluate again\."),
        (lambda record: record["metrics"].pop("accuracy"), r"is damaged \(it has no metrics\.accuracy\)"),
        (lambda record: record["metrics"].update(accuracy="0.9"), r"is damaged \(metrics\.accuracy: .* valid number\)"),
        (lambda record: record["metrics"].update(accuracy=float("nan")), r"is damaged \(metrics\.accuracy: .* finite"),
        (lambda record: record["comparisons"].pop("champion"), r"is damaged \(it has no comparisons\.champion\)"),
        (
            lambda record: record.update(schema_version=SCHEMA_VERSION + 1),
            "has schema version 3, and this Graft reads 2",
        ),
        (lambda record: record.update(schema_version=0), "has schema version 0, and this Graft reads 2"),
        (lambda record: record.update(schema_version="one"), "has schema version one, .* use the Graft that wrote it"),
        (lambda record: record.update(schema_version=[1]), "has schema version"),
        (lambda record: record.update(schema_version=True), "is damaged"),
    ],
)
def test_a_damaged_record_is_named_with_field_and_remedy(tmp_path, change, told):
    record = json.loads((TODAY / "lineage/evaluation.json").read_text())
    change(record)
    (tmp_path / "evaluation.json").write_text(json.dumps(record))
    with pytest.raises(DamagedRecordError, match=told):
        Evaluation.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b'{"schema_version": 1', b"[]", b"{}", b"\xff\xfe", b"null", b"[" * 99_999])
def test_what_is_no_record_is_damaged(tmp_path, content):
    (tmp_path / "decision.json").write_bytes(content)
    with pytest.raises(DamagedRecordError, match=r"decision\.json is damaged .*: judge the evaluation again\."):
        Decision.load(tmp_path)


def test_a_folder_without_its_record_is_no_artifact(tmp_path):
    with pytest.raises(GraftError, match=r"holds no training\.json"):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    ("before", "today"),
    [
        ("all asked for", Stopped.ALL_EPOCHS),
        ("wanted accuracy reached", Stopped.ACCURACY_REACHED),
        ("no better for a while", Stopped.NO_IMPROVEMENT),
        ("the loss became NaN in epoch 2, step 7", Stopped.NO_NUMBER),
        ("no improvement", Stopped.NO_IMPROVEMENT),
    ],
)
def test_why_a_training_stopped_is_read_in_the_words_of_earlier_grafts(before, today):
    content = json.loads((TODAY / "lineage/training.json").read_text()) | {"stopped": before}
    assert Model.parse(json.dumps(content).encode(), "x").stopped is today


def test_another_reason_is_damage():
    content = json.loads((TODAY / "lineage/training.json").read_text()) | {"stopped": "it rained"}
    with pytest.raises(DamagedRecordError, match=r"x is damaged \(stopped: "):
        Model.parse(json.dumps(content).encode(), "x")
