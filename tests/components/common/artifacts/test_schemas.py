"""Records of this Graft and of the one before are read: tests/fixtures holds those of runs, with paths shortened."""

import json
import shutil

import pytest
from support import ROOT

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.decision import Decision
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.record import SCHEMA_VERSION
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run
from graft.components.common.runs.verdict import judge
from graft.components.export.model_card import model_card
from graft.components.gate.config import GateConfig
from graft.components.gate.gate import gate

BEFORE = ROOT / f"tests/fixtures/schema_{SCHEMA_VERSION - 1}"
RUN = "20261125-212738-62eb"


@pytest.mark.parametrize("artifact", [Dataset, Model, Evaluation, Decision])
def test_records_are_read_and_brought_up_to_date(artifact):
    assert f'"schema_version": {SCHEMA_VERSION - 1}' in (BEFORE / "lineage" / artifact.FILE).read_text()
    assert artifact.load(BEFORE / "lineage").schema_version == SCHEMA_VERSION


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


def test_the_history_of_today_s_fixture_is_read():
    """A first version, one that is better, a run of nothing new, and one that fails the gate."""
    runs = read_history(str(ROOT / f"tests/fixtures/schema_{SCHEMA_VERSION}/store"), "pets")
    assert [run.outcome for run in runs] == [
        *(Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.GATE_FAILED),
    ]
    assert [run.images for run in runs] == [173, 337, None, 337]
    assert [run.promoted for run in runs] == [True, True, None, None]
    assert runs[1].difference == pytest.approx(0.1826, abs=1e-4) and runs[3].difference == 0
