"""The deploy step as a component: what it leaves in the run record."""

import json

import pytest

from graft.components.common.artifacts.outcomes.run_record import STEP_RECORDS
from graft.components.deploy.component import deploy


@pytest.fixture
def ran(tmp_path):
    """A function that runs the component in this process, and returns its record."""

    def run(**config):
        store, ended = tmp_path / "store", None
        try:
            deploy.python_func(config=json.dumps(config), store=str(store), name="pets", run_id="projects/p/jobs/one")
        except SystemExit as error:
            ended = str(error)
        written = (store / "models/pets/runs/one/deploy.json").read_bytes()
        return STEP_RECORDS["deploy"].parse(written, "deploy.json"), ended

    return run


def test_before_a_first_version_is_promoted_there_is_nothing_to_deploy(ran, tmp_path):
    record, ended = ran(to=str(tmp_path / "served"))
    assert (record.status, ended) == ("succeeded", None)
    served = f"folder {tmp_path}/served/pets"
    assert record.summary == f"no version was promoted yet, so {served} stays as it is"
    assert not (tmp_path / "served").exists()


def test_settings_that_can_t_be_are_the_step_s_failure_in_one_sentence(ran):
    record, ended = ran(target="folder", canary=0)
    assert record.status == "failed" and "canary can't be 0" in record.summary
    assert ended == f"graft deploy: {record.summary}"
