"""Everything without faults, by the command line alone: the same against the server here and a real one.

GRAFT_TEST_KFP_ENDPOINT names a real Kubeflow Pipelines (GRAFT_TOKEN and the like say who asks): what passes here must pass
there, so the server here must not be kinder than the real one.
"""

import os
import uuid

import pytest
from fake_kubeflow import FakeKubeflow
from profiles import write_profile

REAL = os.environ.get("GRAFT_TEST_KFP_ENDPOINT", "")
SOURCE = ["--source", "gs://pictures/photos.zip"]


@pytest.fixture
def options(tmp_path):
    """What a command needs to reach Kubeflow, in an experiment of the test's own."""
    with FakeKubeflow() as server:
        write_profile(tmp_path / "profile.yaml", "kubeflow", REAL or server.url)
        where = ["--target", "kubeflow", "--profile", tmp_path / "profile.yaml"]
        yield [*where, "--experiment", f"graft-test-{uuid.uuid4().hex[:8]}"]


def test_submit_status_cancel(graft, options):
    submitted = graft("submit", *options, *SOURCE)
    assert submitted.code == 0, submitted.said
    run, link = submitted.out.split()
    assert link.endswith(f"/#/runs/details/{run}")
    assert graft("cancel", run, *options).code == 0
    waited = graft("status", run, *options, "--wait")
    assert waited.code in (1, 4), "without a store only who sees it being cancelled can tell"
    assert "is already over" in graft("cancel", run, *options).out


def test_the_same_pipeline_twice_also_by_its_experiment_s_name_in_other_case(graft, options):
    *others, experiment = options
    runs = [graft("submit", *others, name, *SOURCE).out.split()[0] for name in (experiment, experiment.upper())]
    assert len(set(runs)) == 2
    for run in runs:
        assert graft("cancel", run, *options).code == 0


def test_a_schedule_s_life(graft, options):
    try:
        for cron in ("0 3 1 1 *", "0 3 1 1 *", "0 4 * JAN SUN", "*/5 0 29 2 5-7"):
            created = graft("schedules", "create", "yearly", *options, *SOURCE, "--cron", cron)
            assert created.code == 0, created.said
        assert graft("schedules", "create", "daily", *options, *SOURCE, "--every", "1d").code == 0
        listed = graft("schedules", "list", *options).out
        assert (listed.count("yearly"), listed.count("daily"), listed.count("active")) == (1, 1, 2)
        assert "every 1d" in listed and "*/5 0 29 2 0,5,6" in listed
        assert graft("schedules", "pause", "daily", *options).code == 0
        assert graft("schedules", "list", *options).out.count("paused") == 1
        assert graft("schedules", "resume", "daily", *options).code == 0
        run = graft("schedules", "run-now", "daily", *options)
        assert run.code == 0, run.said
        assert graft("cancel", run.out.split()[0], *options).code == 0
    finally:
        for name in ("yearly", "daily"):
            assert graft("schedules", "delete", name, *options).code == 0
    assert "yearly" not in graft("schedules", "list", *options).out


def test_refusals(graft, options):
    for command in ("status", "cancel"):
        ended = graft(command, str(uuid.uuid4()), *options)
        assert (ended.code, "refuses (HTTP 404" in ended.said) == (1, True), ended.said
    assert "There is no schedule nobody" in graft("schedules", "delete", "nobody", *options).said
