"""What the Graft before this one wrote can still be read: tests/fixtures/schema_1 is a run of it, records alone, with paths shortened."""

import json
import shutil

import pytest
from support import ROOT

from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.records import SCHEMA_VERSION, read_record
from graft.components.common.artifacts.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.step_record import Run, read_run
from graft.components.common.runs.verdict import judge
from graft.components.export.model_card import model_card
from graft.components.gate.config import GateConfig
from graft.components.gate.gate import gate

BEFORE = ROOT / f"tests/fixtures/schema_{SCHEMA_VERSION - 1}"
RUN = "20261125-212738-62eb"


@pytest.mark.parametrize("name", ["dataset", "training", "evaluation", "decision"])
def test_records_are_read(name):
    assert read_record(BEFORE / "lineage", f"{name}.json")["schema_version"] == SCHEMA_VERSION - 1


def test_a_run_is_judged():
    records = read_run(Run(str(BEFORE / "store"), "pets", RUN))
    verdict = judge(records)
    assert (verdict.outcome, verdict.accuracy) == (Outcome.SUCCEEDED, 0.942)


def test_the_registry_s_latest_stays_and_is_written_anew_in_today_s_form(tmp_path):
    shutil.copytree(BEFORE / "store", tmp_path / "store")
    registry = Registry(str(tmp_path / "store"), "pets")
    before = registry.latest()
    assert before.version.startswith("47fec5000098")
    registry.hold("an audit")
    written = json.loads((tmp_path / "store/models/pets/latest.json").read_text())
    assert (written["schema_version"], written["version"]) == (SCHEMA_VERSION, before.version)


def test_a_model_card_is_made_of_them():
    export = Export.load(ROOT / f"tests/fixtures/schema_{SCHEMA_VERSION}")
    card = model_card(BEFORE / "lineage", "pets", export)
    assert "| accuracy | 0.942 | 0.926 to 0.955 |" in card


def test_an_evaluation_passes_the_gate(tmp_path):
    assert gate(BEFORE / "lineage", tmp_path / "decision", GateConfig(min_accuracy=0.9)).passed
