"""KServe as a target: what a deployment asks of it, and that no fault brings traffic to a version that must not have it."""

import json

import pytest
from fake_kserve import NAMESPACE, TOKEN, FakeKServe
from fault_sequences import NAME, Scene, Sequence, make_store, read_from_bucket

from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.kserve import KServeTarget


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def from_bucket(store, monkeypatch, tmp_path):
    store.forget()
    read_from_bucket(monkeypatch, store)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def write_kubeconfig(tmp_path):
    def write(url):
        context = {"context": {"cluster": "c", "user": "u"}, "name": "here"}
        written = {"clusters": [{"name": "c", "cluster": {"server": url}}], "contexts": [context]}
        written |= {"users": [{"name": "u", "user": {"token": TOKEN}}], "current-context": "here"}
        (tmp_path / "kubeconfig").write_text(json.dumps(written))

    return write


class KServeScene(Scene):
    def __init__(self, store, seed, mode):
        super().__init__()
        self.cluster, self.splits = FakeKServe(self.faults, store, seed, mode), mode == "Knative"

    def open(self):
        self.cluster.wrong = self.wrong
        return KServeTarget(NAME, config(self.cluster))

    def traffic(self):
        return self.cluster.traffic()

    def settle(self):
        self.cluster.settle()


def config(cluster, **settings):
    return DeployConfig(target="kserve", namespace=NAMESPACE, ingress=cluster.url, **settings)


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_no_fault_brings_traffic_to_a_version_that_must_not_have_it(store, write_kubeconfig, monkeypatch, mode):
    for seed in range(100):
        scene = KServeScene(store, seed, mode)
        with scene.cluster:
            write_kubeconfig(scene.cluster.url)
            Sequence(scene, store, seed, monkeypatch).run(6)
