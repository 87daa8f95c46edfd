"""`graft run`: the whole pipeline in a process a step, on pictures drawn here."""

import inspect
import json
import subprocess
import time
from pathlib import Path

import pytest

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.pipelines.cli import run_commands
from graft.pipelines.cli.options import RunParameters
from graft.pipelines.local import defaults
from graft.pipelines.local.run_arguments import refuse_python3
from graft.pipelines.local.running import new_run, run_locally
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow


def test_a_run_ends_with_an_export_and_its_record(succeeded):
    content = succeeded.content
    assert content["status"] == "succeeded"
    assert list(content["steps"]) == ["resolve", "ingest", "train", "evaluate", "gate", "export"]
    assert content["dataset"]["counts"] == {"train": {"cats": 20, "dogs": 20}, "validation": {"cats": 10, "dogs": 10}}
    assert content["gate"]["passed"] is True
    assert (Path(content["export"]) / "SHA256SUMS").is_file()
    assert sum(step["seconds"] for step in content["steps"].values()) < content["total_seconds"]
    (written,) = succeeded.folder.glob("runs/*/run.json")
    assert json.loads(written.read_text()) == content
    records = succeeded.folder / "runs/store/models/model/runs" / written.parent.name
    kept = {"dataset.json", "index.parquet", "left_out.parquet", "labels.csv"}
    assert {path.name for path in records.iterdir()} == kept | {
        f"{step}.json" for step in (*content["steps"], "notify")
    }
    assert list(succeeded.temporary.iterdir()) == []


def test_a_missing_source_fails_in_seconds_and_never_falls_back(quick_run, tmp_path):
    command = [*quick_run, "--source", tmp_path / "nowhere"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "doesn't exist" in result.stderr.strip().splitlines()[-1]
    assert list(json.loads(result.stdout)["steps"]) == ["resolve"]
    assert not (tmp_path / "runs" / "sample").exists()


def test_paths_that_kfp_would_rewrite_are_refused():
    with pytest.raises(Exception, match="contains 'python3'"):
        refuse_python3("/usr/lib/python3/pictures")


@pytest.mark.parametrize(("source", "store", "runs"), [("\udcff", "", ""), ("", "\udcff", ""), ("", "", "\udcff")])
def test_paths_that_are_no_text_are_refused_at_once(tmp_path, source, store, runs):
    with pytest.raises(GraftError, match="is no valid UTF-8: rename the file or folder"):
        made = new_run(tmp_path / f"runs{runs}", str(tmp_path / f"store{store}"), "model")
        run_locally(*made, Parameters(str(tmp_path / f"source{source}"), "random"), 0.0)


def test_a_server_that_is_not_there_is_found_before_anything_runs(tmp_path):
    made = new_run(tmp_path / "runs", "", "model")
    with pytest.raises(GraftError, match="/nonexistent/bin/python doesn't exist"):
        run_locally(*made, Parameters("source", "random"), 0.0, validate_with="kserve:/nonexistent")


def test_a_path_that_leaves_no_room_is_refused_at_once(tmp_path):
    with pytest.raises(GraftError, match="too long a path for the files below it"):
        new_run(tmp_path / "/".join(["x" * 200] * 19), "", "model")
    assert not list(tmp_path.iterdir())


def test_without_a_source_the_sample_is_drawn_where_nothing_answers(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(defaults, "PUBLIC_ARCHIVE", "http://127.0.0.1:9/archive.zip")
    monkeypatch.setattr(defaults, "draw_sample", lambda output: draw_sample(output, images=60))
    caplog.set_level("INFO", "graft")
    started = time.monotonic()
    inputs = defaults.choose_inputs(Parameters("", ""), tmp_path / "sample")
    assert time.monotonic() - started < 60
    assert (inputs.source, inputs.weights, inputs.recipe) == (str(tmp_path / "sample"), "random", "sample")
    assert len(list((tmp_path / "sample").rglob("*.jpg"))) == 60
    assert inspect.signature(draw_sample).parameters["images"].default >= 600
    assert "running on drawn pictures" in caplog.text
    assert len([record for record in caplog.records if record.name == "graft"]) >= 1


def test_the_sample_is_no_champion_of_what_comes_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(defaults, "PUBLIC_ARCHIVE", "http://127.0.0.1:9/archive.zip")
    monkeypatch.setattr(defaults, "draw_sample", lambda output: draw_sample(output, images=60))
    names = []

    def kept(run, folder, parameters, *_, **__):
        names.append((run.name, parameters.name, parameters.source))
        raise GraftError("seen")

    monkeypatch.setattr(run_commands, "run_locally", kept)
    pictures, runs = str(tmp_path / "mine"), tmp_path / "runs"
    for given in ({}, {"name": "model"}, {"source": pictures}, {"source": pictures, "name": "sample"}):
        with pytest.raises(GraftError, match="seen"):
            run_commands.run(parameters=RunParameters(**given), runs=runs)
    assert [name for name, _, _ in names] == ["sample", "model", "model", "sample"]
    assert all(run == parameters for run, parameters, _ in names)
    assert [source == pictures for _, _, source in names] == [False, False, True, True]


def test_a_folder_that_is_somebody_s_is_never_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(defaults, "PUBLIC_ARCHIVE", "http://127.0.0.1:9/archive.zip")
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "precious.jpg").write_bytes(b"precious")
    with pytest.raises(GraftError):
        defaults.choose_inputs(Parameters("", ""), tmp_path / "sample")
    assert (tmp_path / "sample" / "precious.jpg").read_bytes() == b"precious"


def test_named_inputs_are_never_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(defaults, "answers", lambda address: pytest.fail("nothing needs to be asked"))
    inputs = defaults.choose_inputs(Parameters("photos.zip", "", "fast"), tmp_path / "sample")
    assert (inputs.source, inputs.weights, inputs.recipe) == ("photos.zip", "imagenet", "fast")
