"""What would fail after an hour on a GPU fails in seconds, and names the right to grant."""

import json

import fsspec
import pytest
from web import web_server

from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import read_run, recorded
from graft.components.resolve.fingerprint import fingerprint
from graft.components.resolve.preflight import check_store
from graft.components.resolve.resolve import resolve
from graft.components.train.backbones.weights import check_weights


def test_a_store_that_works_keeps_nothing_of_the_probe(tmp_path):
    check_store(str(tmp_path / "store"))
    assert list((tmp_path / "store").iterdir()) == []
    check_store("memory://preflight")
    assert fsspec.filesystem("memory").find("/preflight") == []


def test_a_store_that_can_t_be_made_says_so():
    with pytest.raises(GraftError, match=r"^/proc/nowhere/store can't be made: .* Make that, or name another place\.$"):
        check_store("/proc/nowhere/store")


def test_a_store_on_gcs_works(bucket):
    check_store(f"{bucket}/store")
    fs = fsspec.filesystem("gs")
    fs.invalidate_cache()
    assert fs.find(bucket) == []


def test_a_run_record_on_gcs(bucket):
    run = Run(f"{bucket}/store", "cats", "run-1")
    with recorded("resolve", run):
        pass
    assert list(read_run(run).by_step()) == ["resolve"]


@pytest.fixture
def forbidden(monkeypatch):
    """A GCS that refuses what it is told to refuse, as the real one words it."""
    refused = []

    def answer(method, path, body):
        if any(word in f"{method} {path}" for word in refused):
            message = "graft@p.iam.gserviceaccount.com does not have storage.objects.create access"
            return 403, {"error": {"code": 403, "message": message}}
        return 404, {"error": {"code": 404, "message": "Not found"}}

    with web_server(answer) as web:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", web.url)
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        fsspec.filesystem("gs").clear_instance_cache()
        yield refused
    fsspec.filesystem("gs").clear_instance_cache()


def test_a_store_that_can_t_be_written_names_the_role(forbidden):
    forbidden.append("POST")
    with pytest.raises(
        GraftError, match=r"gs://b/store can't be written by this account: grant it roles/storage\.objectUser"
    ):
        check_store("gs://b/store")


def test_a_source_that_can_t_be_listed_and_weights_that_can_t_be_read_name_the_role(forbidden):
    forbidden.append("GET")
    for check in (fingerprint, check_weights):
        with pytest.raises(
            GraftError, match=r"gs://b/x\.h5 can't be read by this account: grant it roles/storage\.objectViewer"
        ):
            check("gs://b/x.h5")


def test_a_store_that_gives_back_something_else_is_refused(monkeypatch):
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "cat_file", lambda self, path, **options: b"other")
    with pytest.raises(GraftError, match="gives back other bytes"):
        check_store("memory://liar")


def test_tensorboard_logs_that_can_t_be_written_fail_at_once(tmp_path):
    (tmp_path / "file").touch()
    config = json.dumps({"train": {"tensorboard": str(tmp_path / "file" / "logs")}})
    with pytest.raises(GraftError, match=r"file/logs can't be"):
        resolve(Parameters(str(tmp_path), "random", config=config))


def test_a_champion_that_isn_t_there_fails_at_once(tmp_path):
    config = json.dumps({"evaluate": {"champion": str(tmp_path / "gone")}})
    with pytest.raises(GraftError, match="gone is no finished Model or Export"):
        resolve(Parameters(str(tmp_path), "random", config=config))
