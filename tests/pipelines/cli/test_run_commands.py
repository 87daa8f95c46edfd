"""What a run prints is what it was told, whatever characters names have."""

import json
import re

import pytest

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.artifacts.outcomes.run_record import STEP_RECORDS, RunRecords
from graft.components.common.artifacts.outcomes.run_summary import RunSummary
from graft.components.common.errors import GraftError
from graft.pipelines.cli.options import RunParameters
from graft.pipelines.cli.run_commands import print_summary, run
from graft.pipelines.local.docker_runner import DockerOptions


def test_names_are_no_markup(tmp_path, capsys):
    folder = tmp_path / "[old]" / "run[/b]"
    said = {"status": "succeeded", "error": None, "summary": "2 images of [cats], x[/b]", "started": "", "seconds": 1.0}
    records = RunRecords(ingest=STEP_RECORDS["ingest"](step="ingest", outcome=None, **said))
    print_summary(folder, RunSummary.of(records, Outcome.FAILED, "why", 1.0))
    shown = capsys.readouterr().out
    assert "2 images of [cats], x[/b]" in shown
    assert f"records: {folder}/run.json" in shown


def test_the_table_leaves_it_to_the_last_line_why_a_step_failed(tmp_path, capsys):
    said = {"status": "failed", "error": "GraftError", "summary": "no images", "started": "", "seconds": 1.0}
    records = RunRecords(ingest=STEP_RECORDS["ingest"](step="ingest", outcome=None, **said))
    print_summary(tmp_path, RunSummary.of(records, Outcome.FAILED, "ingest: no images", 1.0))
    shown = capsys.readouterr().out
    assert "failed" in shown
    assert "no images" not in shown


def test_run_json_says_succeeded_or_failed_and_more_finely_how():
    for outcome, status in (
        (Outcome.SUCCEEDED, "succeeded"),
        (Outcome.UNCHANGED, "succeeded"),
        (Outcome.GATE_FAILED, "failed"),
    ):
        content = json.loads(RunSummary.of(RunRecords(), outcome, None, 1.0).text())
        assert (content["status"], content["outcome"]) == (status, outcome)


def test_a_step_took_as_long_as_it_and_its_parts_did(tmp_path, capsys):
    said = {"status": "succeeded", "error": None, "summary": "fine", "started": "", "seconds": 1.0}
    records = RunRecords(
        train=STEP_RECORDS["train"](step="train", outcome=None, **said),
        gate=STEP_RECORDS["gate"](step="gate", outcome=None, **said),
    )
    summary = RunSummary.of(records, Outcome.SUCCEEDED, None, 11.0, {"train": 9.5})
    print_summary(tmp_path, summary)
    shown = capsys.readouterr().out
    assert re.search(r"train +9\.5 +fine", shown) and re.search(r"gate +1\.0 +fine", shown)


@pytest.mark.parametrize("option", [{"memory": "4g"}, {"network": "none"}, {"image": "mine:1"}], ids=str)
def test_options_of_containers_are_refused_where_there_are_none(tmp_path, option):
    parameters = RunParameters(source=str(tmp_path / "nothing"), weights="random")
    with pytest.raises(GraftError, match=r"--memory are about containers: add --runner docker, or leave them out\."):
        run(parameters=parameters, runs=tmp_path / "runs", containers=DockerOptions(**option))
    assert not (tmp_path / "runs").exists()
