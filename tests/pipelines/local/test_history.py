"""The history of a name: every run, whatever became of it, as a table, as JSON and as a page."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from command_line import graft
from run_records import ENDINGS, EVALUATED, leave_records
from support import ROOT

from graft.components.common.artifacts.model import Stopped
from graft.components.common.artifacts.outcomes.results import (
    ExportResult,
    IngestResult,
    Outcome,
    Published,
    TrainResult,
)
from graft.components.common.errors import GraftError
from graft.components.common.runs.history import last_decided, read_history
from graft.components.common.runs.past_run import UNFINISHED, PastRun
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled, recorded
from graft.pipelines.local.history_page import cells, charts, write_history

COUNTS = {"train": {"cats": 1500, "dogs": 1500}, "validation": {"cats": 500, "dogs": 500}}


@pytest.fixture
def store(tmp_path):
    """A store with a run of every ending, the first one told in full."""
    store = str(tmp_path / "store")
    for number, ending in enumerate(ENDINGS, 1):
        run = Run(store, "pets", f"run-{9 - number}")
        leave_records(run, **ENDINGS[ending])
        if ending == "success":
            with recorded("ingest", run) as record:
                read, written = 10_000_000, 9_000_000
                record.outcome = IngestResult(
                    path="",
                    digest="d" * 64,
                    counts=COUNTS,
                    excluded=2,
                    checked=250,
                    reused=3750,
                    bytes_read=read,
                    bytes_written=written,
                )
            with recorded("train", run) as record:
                record.outcome = TrainResult(
                    path="",
                    selection_accuracy=0.9,
                    selection_split="train",
                    epochs=30,
                    stopped=Stopped.ALL_EPOCHS,
                    computed=200,
                    bytes_read=5_000_000,
                    bytes_written=300_000,
                )
            with recorded("export", run) as record:
                published = Published(uri="/models/e", promoted=True)
                record.outcome = ExportResult(
                    path="", version="e" * 64, formats=(), max_difference=0.0, published=published
                )
        began(run, number)
    return store


def began(run, day):
    """Makes it a run of that day."""
    path = Path(run.folder) / "resolve.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started": f"2026-01-{day:02}T03:00:00+00:00"}))
    os.utime(path, (day, day))


def test_every_run_in_the_order_of_time_with_what_is_known_of_it(store):
    runs = read_history(store, "pets")
    assert [run.outcome for run in runs] == [
        *(Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.GATE_FAILED, Outcome.FAILED, UNFINISHED),
    ]
    first = runs[0]
    assert (first.run, first.images, first.new, first.accuracy) == ("run-8", 4000, 250, 0.87)
    assert (first.accuracy_interval, first.difference) == ((0.85, 0.89), None)
    assert (first.version, first.promoted) == ("e" * 64, True)
    assert (first.computed, first.bytes_read, first.bytes_written) == (200, 15_000_000, 9_300_000)
    assert (runs[1].bytes_read, runs[1].bytes_written) == (None, None)
    assert runs[1].accuracy is None and runs[1].reason.startswith("resolve: ")


def test_a_damaged_record_hides_no_other_run(store):
    (Path(store) / "models/pets/runs/run-7/resolve.json").write_text("{")
    runs = {run.run: run for run in read_history(store, "pets")}
    assert len(runs) == 5
    assert runs["run-7"].outcome == Outcome.FAILED and "resolve.json is damaged" in runs["run-7"].reason


def told(**changes):
    """What evaluate says, with other metrics."""
    outcome = EVALUATED.model_dump(mode="json")
    return outcome | (
        {"metrics": changes["metrics"]} if "metrics" in changes else {"metrics": outcome["metrics"] | changes}
    )


@pytest.mark.parametrize(
    ("step", "field", "value", "said"),
    [
        ("resolve", "seconds", "soon", "resolve.json is damaged (seconds: "),
        ("resolve", "schema_version", 99, "resolve.json has schema version 99"),
        ("evaluate", "outcome", [], "evaluate.json is damaged (outcome: "),
        ("evaluate", "outcome", {}, "evaluate.json is damaged (it has no outcome.path): remove it."),
        ("evaluate", "outcome", told(metrics="0.9"), "evaluate.json is damaged (outcome.metrics: "),
        ("evaluate", "outcome", told(accuracy="0.9"), "evaluate.json is damaged (outcome.metrics.accuracy: "),
        ("evaluate", "outcome", told(accuracy=float("nan")), "evaluate.json is damaged (outcome.metrics.accuracy: "),
        ("evaluate", "outcome", told(accuracy_interval=[0.9]), "(it has no outcome.metrics.accuracy_interval.1)"),
        ("ingest", "outcome", {"path": "", "digest": "", "counts": {"train": {"cats": "many"}}}, "train.cats: "),
    ],
)
def test_damage_of_any_kind_is_named(store, step, field, value, said):
    path = Path(store) / f"models/pets/runs/run-8/{step}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    (damaged,) = [run for run in read_history(store, "pets") if run.run == "run-8"]
    assert damaged.outcome == Outcome.FAILED and said in damaged.reason and "run-8" in damaged.reason
    write_history(Path(store) / "page.html", "pets", read_history(store, "pets"))


def test_what_a_damaged_run_decided_is_unknown(store, caplog):
    assert last_decided(store, "pets")[0].run_id == "run-6"
    (Path(store) / "models/pets/runs/run-6/gate.json").write_text("{")
    assert last_decided(store, "pets") is None
    assert "run-6" in caplog.text and "gate.json is damaged" in caplog.text


def test_a_run_that_was_cancelled(store):
    mark_cancelled(Run(store, "pets", "run-4"))
    mark_cancelled(Run(store, "pets", "run-8"))
    outcomes = {run.run: run.outcome for run in read_history(store, "pets")}
    assert outcomes["run-4"] == Outcome.CANCELLED
    assert outcomes["run-8"] == Outcome.SUCCEEDED, "it was over before"


def test_a_run_without_its_first_record_and_folders_that_are_none(store):
    Path(store, "models/pets/runs/run-6/resolve.json").unlink()
    foreign = Path(store, "models/pets/runs/.odd/resolve.json")
    foreign.parent.mkdir()
    foreign.write_text("{}")
    runs = {run.run: run for run in read_history(store, "pets")}
    assert len(runs) == 5
    assert runs["run-6"].outcome == Outcome.FAILED and runs["run-6"].reason.startswith("resolve: left no record")


def test_a_name_that_leads_elsewhere(store):
    with pytest.raises(GraftError, match="can't be a name"):
        read_history(store, "../pets")


def test_what_a_terminal_would_obey_is_shown():
    hostile = PastRun("run-1", "\x1b[2J\u202e", "failed", "", drift=("\x9b31m",), seconds=1.0)
    assert all(text.isprintable() for text in cells(hostile))


def test_records_of_the_graft_before_this_one():
    (run,) = read_history(str(ROOT / "tests/fixtures/schema_1/store"), "pets")
    assert (run.outcome, run.images, run.new, run.accuracy) == (Outcome.SUCCEEDED, 3000, 3000, 0.942)
    assert run.bytes_read is None, "what the training read was not noted"
    assert run.promoted is True


def test_a_store_on_gcs(bucket):
    leave_records(Run(f"{bucket}/store", "pets", "run-1"))
    (run,) = read_history(f"{bucket}/store", "pets")
    assert run.outcome == Outcome.SUCCEEDED
    assert read_history(f"{bucket}/store", "others") == []


@pytest.mark.slow
def test_the_command(store, tmp_path):
    def shown(*options):
        result = graft("history", *options, "--store", store, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        return result.stdout

    lines = shown("pets", "--html", "history.html").splitlines()
    assert lines[0].split() == [
        "date",
        "images",
        "new",
        "accuracy",
        "95%",
        "interval",
        "vs",
        "champion",
        "verdict",
        "seconds",
    ]
    assert "4,000" in lines[1] and "87.00%" in lines[1] and "version eeeeeeeeeeee, promoted" in lines[1]
    assert "nothing new" in lines[2] and "gate failed" in lines[3]
    assert lines[-1] == "history.html"
    assert "version eeeeeeeeeeee, promoted" in (tmp_path / "history.html").read_text()
    assert [run["run"] for run in json.loads(shown("pets", "--json"))] == [f"run-{n}" for n in (8, 7, 6, 5, 4)]
    assert shown("others") == f"There is no run of 'others' in {store} yet. Models in {store}: pets.\n"


def season(count):
    runs = []
    for number in range(count):
        low_high = (0.9, 0.96) if number % 3 else None
        accuracy = 0.93 if low_high else None
        runs.append(
            PastRun(
                f"run-{number}",
                "2026-01-05T03:00:00+00:00",
                "succeeded",
                "",
                600 + number,
                number,
                number,
                accuracy,
                low_high,
                0.001 * number,
                (-0.01, 0.02),
                (),
                "a" * 64,
                True,
                60.0 + number,
            )
        )
    return runs


@pytest.mark.parametrize("count", [0, 1, 2, 400])
def test_a_page_of_any_number_of_runs(tmp_path, count):
    runs = season(count)
    assert len(charts(runs)) == (0 if not count else 3 if count == 1 else 4)
    write_history(tmp_path / "page.html", "pets", runs)
    assert (tmp_path / "page.html").read_text().count("<dt>") == count


def test_what_the_axes_say_fits_and_differs(tmp_path):
    runs = [dataclasses.replace(run, images=run.images * 200) for run in season(12)]
    for chart in charts(runs):
        texts = re.findall("text-anchor: end.*>(.*)</text>", chart.svg)
        assert 2 <= len(set(texts)) == len(texts) and max(map(len, texts)) <= len("100,000")
    accuracy, difference, *others = charts(runs)
    for chart in (accuracy, difference):
        assert chart.svg.count("fill-opacity") == 2 and chart.svg.count("95% interval") == 1, "a band and its key"
    assert not any("95% interval" in chart.svg for chart in others)


def test_names_and_reasons_are_no_markup(tmp_path):
    hostile = PastRun("run-1", "", "failed", "<script>alert(1)</script>\u202e[bold]")
    write_history(tmp_path / "page.html", "<b>pets</b>", [hostile])
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text and "<b>pets" not in text and "\u202e" not in text
