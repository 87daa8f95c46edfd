"""A run on a cluster whose profile gives it last steps is shown, waited for and judged with them; no other run is."""

import pytest
from run_records import leave_records

from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.common.steps import STEPS

pytestmark = pytest.mark.slow

SOURCE = ["--source", "gs://pictures/photos.zip"]
SECTIONS = "deploy: {to: gs://bucket/serving}\nmirror: {to: https://mlflow.example}\n"
LAST = ("deploy", "mirror")
DONE = dict.fromkeys(STEPS, "SUCCEEDED")


@pytest.fixture
def submit(graft, cluster, bucket):
    """Starts a run that goes through some states and leaves some records, watches it, and returns what was said of it."""

    def go(states, **records):
        cluster.profile.write_text(cluster.profile.read_text() + SECTIONS)
        cluster.server.script(*states)

        def leave(run):
            identifier = run["name"].rpartition("/")[2] if cluster.target == "vertex" else run["run_id"]
            leave_records(Run(f"{bucket}/store", "pets", identifier), **records)

        cluster.server.on_create = leave
        return graft("submit", *cluster.options, *SOURCE, "--store", f"{bucket}/store", "--name", "pets", "--wait")

    return go


def rows(ended):
    return {
        line.split()[0]: line.split("  ")[1:] for line in ended.out.splitlines() if line.split()[0] in (*STEPS, *LAST)
    }


def states(ended):
    return {step: next(part.strip() for part in row if part.strip()) for step, row in rows(ended).items()}


def test_a_run_is_over_when_its_last_step_is(submit):
    begun = {**DONE, "deploy": "RUNNING"}
    ended = submit(
        [("RUNNING", DONE), ("RUNNING", begun), ("SUCCEEDED", DONE | dict.fromkeys(LAST, "SUCCEEDED"))],
        until="mirror",
        last_steps=LAST,
    )
    assert ended.code == 0, ended.said
    assert "deploy: running" in ended.said and "mirror: done" in ended.said
    assert states(ended) == dict.fromkeys((*STEPS, *LAST), "succeeded")
    assert "succeeded: export: ; deploy: ; mirror: \n" in ended.out


def test_a_deployment_that_failed_is_the_run_s_failure(submit, graft, cluster):
    error = GraftError("the version does not come up: look at its log.")
    ended = submit([("FAILED", {**DONE, "deploy": "FAILED"})], until="deploy", error=error, last_steps=LAST)
    assert (ended.code, "failed: deploy: the version does not come up: look at its log." in ended.out) == (1, True)
    assert states(ended) == dict.fromkeys(STEPS, "succeeded") | {"deploy": "failed", "mirror": "not run"}
    again = graft("status", ended.out.split()[0], *cluster.options)
    assert (again.code, states(again)) == (1, states(ended))


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
def test_a_last_step_that_was_killed_left_no_record_and_is_no_success(submit, state):
    ended = submit([(state, {**DONE, "deploy": state})], until="export", last_steps=LAST)
    assert (ended.code, "failed: deploy: left no record; it was killed" in ended.out) == (1, True), ended.said


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)  # Vertex has no drivers
def test_a_last_step_that_never_began_is_named(submit):
    ended = submit([("FAILED", {**DONE, "deploy-driver": "FAILED"})], until="export", last_steps=LAST)
    said = "failed: deploy: Kubeflow could not start it: deploy-driver failed"
    assert (ended.code, said in ended.out) == (1, True), ended.said


def test_a_run_that_was_compiled_without_last_steps_shows_nothing_of_them(submit):
    ended = submit([("RUNNING", DONE), ("SUCCEEDED", DONE)])  # it is the run that counts, not today's profile
    assert ended.code == 0, ended.said
    assert states(ended) == dict.fromkeys(STEPS, "succeeded")
    assert not {"deploy", "mirror"} & {line.partition(":")[0] for line in ended.said.splitlines()}


def test_a_last_step_without_a_store_is_refused_before_anything_is_started(graft, cluster):
    cluster.profile.write_text(cluster.profile.read_text() + SECTIONS)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "deploy in the profile is about the versions in a store" in ended.said) == (1, True)
    assert not cluster.server.runs
