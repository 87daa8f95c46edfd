"""Whatever goes wrong with a request to Vertex, traffic stays on versions that were promoted, and the next deployment finishes the job."""

import os

import pytest
from fault_sequences import Sequence, make_store, read_from_bucket
from vertex_scene import VertexScene

# `make deploy-faults` plays 200.
SEQUENCES = int(os.environ.get("GRAFT_TEST_SEQUENCES", "50"))
EVENTS, AT_ONCE = 5, 25


class _Sequence(Sequence):
    """Most deployments are of another version than the one before."""

    def deploy(self):
        if self.chance.random() < 0.7:
            self.choose()
        super().deploy()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("vertex"))


@pytest.mark.parametrize("first", range(0, SEQUENCES, AT_ONCE))
def test_any_request_may_go_wrong(first, store, monkeypatch):
    read_from_bucket(monkeypatch, store)
    for seed in range(first, first + AT_ONCE):
        with VertexScene(store) as scene:
            _Sequence(scene, store, seed, monkeypatch).run(EVENTS)
