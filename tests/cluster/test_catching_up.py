"""A Kubeflow schedule that missed its time starts one run for it as soon as it can, which does no harm."""

import fsspec
import pytest
from fake_kubeflow import FakeKubeflow
from profiles import write_profile
from run_records import ENDINGS, leave_records

from graft.components.common.artifacts.outcomes.results import UNCHANGED
from graft.components.common.parameters import Parameters
from graft.components.common.runs.run import Run
from graft.components.common.steps import STEPS
from graft.components.resolve.resolve import resolve

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_a_run_that_makes_up_for_missed_times_finds_nothing_new_and_does_nothing(graft, cluster, bucket):
    files = fsspec.filesystem("gs")
    for name in ("cats", "dogs"):
        files.pipe_file(f"{bucket}/photos/{name}/1.png", name.encode())
    where = ["--source", f"{bucket}/photos", "--weights", "random", "--store", f"{bucket}/store", "--name", "pets"]
    assert graft("schedules", "create", "weekly", *cluster.options, *where, "--cron", "0 3 * * 1").code == 0
    (schedule,) = cluster.server.schedules

    def resolved(run):
        parameters = Parameters(**cluster.parameters(run))
        return resolve(parameters, Run(parameters.store, parameters.name, run))

    first = cluster.server.fire(schedule)
    leave_records(Run(f"{bucket}/store", "pets", first), resolved=resolved(first), **ENDINGS["success"])
    assert graft("schedules", "pause", "weekly", *cluster.options).code == 0
    cluster.server.fire(schedule)
    cluster.server.set_state(first, "SUCCEEDED", dict.fromkeys(STEPS, "SUCCEEDED"))
    assert graft("schedules", "resume", "weekly", *cluster.options).code == 0
    _, again = cluster.server.runs
    assert (resolved(again).digest, resolved(again).same_as) == (UNCHANGED, first)


def test_a_schedule_catches_up_once_on_resume_and_after_an_overrun(graft, tmp_path):
    with FakeKubeflow() as server:
        options = ["--target", "kubeflow", "--profile", write_profile(tmp_path / "p.yaml", "kubeflow", server.url)]
        made = ["--source", "gs://pictures/photos.zip", "--every", "1h"]
        assert graft("schedules", "create", "hourly", *options, *made).code == 0
        (schedule,) = server.schedules
        assert graft("schedules", "pause", "hourly", *options).code == 0
        assert [server.fire(schedule) for _ in range(3)] == [None] * 3
        assert graft("schedules", "resume", "hourly", *options).code == 0
        (run,) = server.runs
        assert server.fire(schedule) is None, "one run at a time"
        server.set_state(run, "SUCCEEDED", {"resolve": "SUCCEEDED"})
        assert len(server.runs) == 2, "the run took longer than the interval"
        server.set_state(list(server.runs)[1], "SUCCEEDED", {"resolve": "SUCCEEDED"})
        assert len(server.runs) == 2
