"""A run that would decide again what is decided ends at once, and only that one."""

import os
from pathlib import Path

import pytest
from run_records import ENDINGS, leave_records

from graft.components.common.artifacts.outcomes.results import UNCHANGED
from graft.components.common.parameters import Parameters
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled
from graft.components.resolve import resolve as resolve_module
from graft.components.resolve.resolve import resolve


@pytest.fixture
def source(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "1.png").write_bytes(name.encode())
    return tmp_path / "pictures"


@pytest.fixture
def look(source, tmp_path):
    """Resolves as the next run of the name does."""
    numbers = iter(range(1, 100))

    def resolved(ending=None, **settings):
        run = Run(str(tmp_path / "store"), "pets", f"run-{next(numbers)}")
        result = resolve(Parameters(str(source), "random", **settings), run)
        if ending is not None:
            leave_records(run, resolved=result, **ENDINGS[ending])
            os.utime(Path(run.folder) / "resolve.json", (int(run.run_id[4:]),) * 2)
        return result

    return resolved


@pytest.mark.parametrize("ending", ["success", "gate"])
def test_the_same_after_a_decision_is_unchanged(look, ending):
    first = look(ending)
    again = look()
    assert first.digest == again.found != UNCHANGED
    assert (again.digest, again.same_as) == (UNCHANGED, "run-1")
    assert again.summary.startswith("nothing new since run run-1")


@pytest.mark.parametrize("ending", ["error", "killed"])
def test_the_same_after_a_run_that_decided_nothing_goes_on(look, ending):
    assert look(ending).digest == look().digest != UNCHANGED


def test_unchanged_runs_between_make_no_difference(look):
    look("success")
    assert look("unchanged").digest == UNCHANGED
    assert look().same_as == "run-1"


def test_force_goes_on_and_says_so(look):
    first = look("success")
    forced = look(force=True)
    assert forced.digest == first.digest
    assert "the same as run run-1, and forced" in forced.summary


def test_what_was_decided_before_the_last_decision_is_new_again(look, source):
    look("success")
    (source / "cats" / "2.png").write_bytes(b"more")
    look("success")
    (source / "cats" / "2.png").unlink()
    assert look().digest != UNCHANGED


def test_new_images_settings_or_code_are_a_change(look, source, monkeypatch):
    look("success")
    assert look(learning_rate=0.01).digest != UNCHANGED
    assert look(min_accuracy=0.7).digest != UNCHANGED
    assert look(config='{"evaluate": {"split": "train"}}').digest != UNCHANGED
    with monkeypatch.context() as changed:
        changed.setattr(resolve_module, "code_digest", lambda: "other")
        assert look().digest != UNCHANGED
    assert look().digest == UNCHANGED
    (source / "dogs" / "2.png").write_bytes(b"more")
    assert look().digest != UNCHANGED


def test_without_a_store_nothing_is_known(source):
    parameters = Parameters(str(source), "random")
    assert resolve(parameters).digest == resolve(parameters).digest != UNCHANGED


def test_a_cancelled_run_decided_nothing(look, tmp_path):
    first = look("killed")
    mark_cancelled(Run(str(tmp_path / "store"), "pets", "run-1"))
    assert look().digest == first.digest


def test_records_of_an_older_graft_name_no_digest_to_compare_with(look, tmp_path):
    run = Run(str(tmp_path / "store"), "pets", "old")
    leave_records(run)
    record = Path(run.folder) / "resolve.json"
    record.write_text(record.read_text().replace('"found"', '"unknown"'))
    assert look().digest != UNCHANGED
