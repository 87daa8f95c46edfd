"""KServe as a target: what a deployment asks of it, and that no fault brings traffic to a version that must not have it."""

import copy
import json
import os
import time
from dataclasses import replace

import pytest
import yaml
from fake_kserve import NAMESPACE, TOKEN, FakeKServe
from fault_sequences import NAME, Scene, Sequence, make_store, read_from_bucket
from support import free_port

from graft.components.common.errors import GraftError
from graft.components.common.services import api_client
from graft.components.common.services.kubernetes import Cluster
from graft.components.deploy import candidate as candidate_module
from graft.components.deploy import deploy as deploy_module
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.deploy import deploy, promote, roll_back, would_deploy
from graft.components.deploy.targets.inference_service import SERVICES
from graft.components.deploy.targets.kserve import KServeTarget
from graft.components.deploy.targets.target import OvertakenError

# `make deploy-faults` plays 200.
SEQUENCES = int(os.environ.get("GRAFT_TEST_SEQUENCES", "50"))


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

    def served(self):
        served, self.cluster.served = self.cluster.served, set()
        return served

    def settle(self):
        self.cluster.settle()


def config(cluster, **settings):
    return DeployConfig(target="kserve", namespace=NAMESPACE, ingress=cluster.url, **settings)


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_no_fault_brings_traffic_to_a_version_that_must_not_have_it(store, write_kubeconfig, monkeypatch, mode):
    for seed in range(SEQUENCES):
        scene = KServeScene(store, seed, mode)
        with scene.cluster:
            write_kubeconfig(scene.cluster.url)
            Sequence(scene, store, seed, monkeypatch).run(6)


@pytest.fixture
def awake(monkeypatch):
    """No pause takes time; what was paused for is counted."""
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def cluster(store, write_kubeconfig, awake):
    with FakeKServe(store=store) as cluster:
        write_kubeconfig(cluster.url)
        yield cluster


@pytest.fixture
def standard(cluster):
    """The same cluster, of an installation without Knative."""
    cluster.mode = "Standard"
    return cluster


def target(cluster, name=NAME, **settings):
    return KServeTarget(name, config(cluster, **settings))


def bring(store, cluster, place, canary=100, **settings):
    """Promotes a version and deploys it."""
    store.registry.promote(store.versions[place])
    return deploy(store.registry, target(cluster, **settings), canary)


def shares(store, cluster):
    return {store.versions.index(version): percent for version, percent in cluster.traffic().items()}


def test_the_first_version_is_served_as_the_manifest_says(store, cluster):
    store.registry.promote(store.versions[0])
    settings = {"service_account": "reader", "replicas": 2, "runtime_version": "2.18.0"}
    planned = yaml.safe_load(would_deploy(store.registry, target(cluster, **settings)))
    assert cluster.objects == {}
    bring(store, cluster, 0, **settings)
    made = cluster.objects[NAME]
    assert (
        made["spec"]["predictor"].pop("canaryTrafficPercent", 100)
        == planned["spec"]["predictor"].pop("canaryTrafficPercent")
        == 100
    )
    assert planned == {key: made[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {key: made["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    }
    assert planned["spec"]["predictor"] == {
        "annotations": {
            "graft/version": store.versions[0],
            "graft/attempt": "1",
            "graft/counter": str(store.registry.latest().counter),
        },
        "minReplicas": 2,
        "serviceAccountName": "reader",
        "model": {
            "modelFormat": {"name": "tensorflow"},
            "protocolVersion": "v1",
            "runtimeVersion": "2.18.0",
            "storageUri": f"gs://bucket/store/models/pets/versions/{store.versions[0]}/serving/pets",
        },
    }


def test_a_canary_is_promoted_and_taken_back_without_a_new_revision(store, cluster):
    bring(store, cluster, 0)
    assert bring(store, cluster, 1, canary=10).percent == 10
    assert shares(store, cluster) == {0: 90, 1: 10}
    roll_back(store.registry, target(cluster))
    assert shares(store, cluster) == {0: 100}
    bring(store, cluster, 1, canary=30)
    assert shares(store, cluster) == {0: 70, 1: 30}
    assert promote(store.registry, target(cluster)).percent == 100
    assert shares(store, cluster) == {1: 100} and len(cluster.runs[NAME].revisions) == 2


def test_a_second_deployment_changes_nothing(store, cluster):
    bring(store, cluster, 0)
    cluster.asked.clear()
    assert not bring(store, cluster, 0).changed
    assert {method for method, *_ in cluster.asked} == {"GET"}


def test_a_new_version_is_asked_before_it_has_traffic(store, cluster):
    bring(store, cluster, 0)
    cluster.wrong = {store.versions[1]}
    with pytest.raises(GraftError, match="It gets no traffic"):
        bring(store, cluster, 1)
    cluster.settle()
    assert shares(store, cluster) == {0: 100}
    asked = [
        path
        for method, path, headers, _ in cluster.asked
        if headers.get("Host") == f"latest-pets-predictor.{NAMESPACE}.example.com"
    ]
    assert asked[-1] == "/v1/models/pets:predict"


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_the_first_version_is_asked_before_it_has_traffic(store, cluster, mode):
    cluster.mode, cluster.wrong = mode, {store.versions[0]}
    for _ in range(2):  # the second call may not take what the first one left for something that has answered
        with pytest.raises(GraftError, match="It gets no traffic"):
            bring(store, cluster, 0)
        cluster.settle()
        assert shares(store, cluster) == {}
    assert bring(store, cluster, 1, canary=100).percent == 100
    cluster.settle()
    assert shares(store, cluster) == {1: 100} and list(cluster.objects) == [NAME]


def test_a_version_after_one_that_never_came_up_is_asked_before_it_has_traffic(store, cluster, monkeypatch):
    with monkeypatch.context() as unready:
        unready.setattr(cluster, "_fails", lambda template: "no memory")
        store.registry.promote(store.versions[0])
        candidate = candidate_module.read_candidate(store.registry, store.versions[0])
        made = replace(candidate, uri=f"gs://bucket/store/models/{NAME}/versions/{store.versions[0]}")
        with pytest.raises(GraftError, match="no memory"):
            target(cluster).move(made, 100)
    cluster.wrong = {store.versions[1]}
    with pytest.raises(GraftError, match="It gets no traffic"):
        bring(store, cluster, 1)
    cluster.settle()
    assert shares(store, cluster) == {}
    bring(store, cluster, 2)
    assert shares(store, cluster) == {2: 100}


def test_a_withdrawn_canary_loses_its_traffic(store, cluster):
    bring(store, cluster, 0)
    bring(store, cluster, 1, canary=50)
    store.registry.rollback("it is bad")
    assert deploy(store.registry, target(cluster), 50).percent == 100
    assert shares(store, cluster) == {0: 100} and len(cluster.runs[NAME].revisions) == 2


def test_a_version_that_is_still_coming_up_gets_nothing_that_another_is_to_get(store, cluster):
    bring(store, cluster, 0)
    bring(store, cluster, 1, canary=10)
    cluster.slow = {store.versions[2]}
    with pytest.raises(GraftError, match="took more than 20 s"):
        bring(store, cluster, 2, timeout=20)
    assert bring(store, cluster, 1, canary=10, timeout=200).percent == 10
    cluster.slow = set()
    cluster.settle()
    assert shares(store, cluster) == {0: 90, 1: 10} and store.versions[2] not in cluster.served


def test_a_version_that_was_served_before_comes_back_as_a_new_revision(store, cluster):
    bring(store, cluster, 0)
    bring(store, cluster, 1)
    store.registry.rollback("it is bad")
    deploy(store.registry, target(cluster))
    assert shares(store, cluster) == {0: 100} and len(cluster.runs[NAME].revisions) == 3


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_what_does_not_come_up_is_tried_again_by_the_next_call(store, cluster, mode, awake):
    cluster.mode = mode
    bring(store, cluster, 0)
    cluster.broken = {store.versions[1]}
    with pytest.raises(GraftError, match="can't bring .* up: .*(the model does not load|timed out progressing)"):
        bring(store, cluster, 1)
    assert shares(store, cluster) == {0: 100} and len(awake) < 60
    cluster.broken = set()
    bring(store, cluster, 1)
    assert shares(store, cluster) == {1: 100}


def test_a_runtime_that_cannot_load_the_model_is_told(store, cluster):
    with pytest.raises(GraftError, match="Op type not registered"):
        bring(store, cluster, 0, runtime_version="2.6.2")


def test_what_takes_too_long_is_told_with_what_kserve_says(store, cluster, monkeypatch):
    monkeypatch.setattr(cluster, "_progress", lambda service, run: None)
    with pytest.raises(
        GraftError, match=r"took more than 20 s to bring .* up: KServe says nothing of it\. .*kubectl describe"
    ):
        bring(store, cluster, 0, timeout=20)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_was_changed_at_the_same_time_is_read_again(store, cluster, method):
    cluster.fail(method, 409, times=3)
    bring(store, cluster, 0)
    bring(store, cluster, 1, canary=10)
    assert shares(store, cluster) == {0: 90, 1: 10}


def test_who_changed_the_service_meanwhile_is_not_overwritten(store, cluster):
    bring(store, cluster, 0)
    bring(store, cluster, 1, canary=10)
    late = target(cluster)
    late.look()
    bring(store, cluster, 2, canary=10)
    candidate = candidate_module.read_candidate(store.registry, store.versions[1])
    with pytest.raises(OvertakenError):
        late.move(candidate, 100)
    assert shares(store, cluster) == {0: 90, 2: 10}


def test_who_moved_traffic_meanwhile_is_not_overruled(store, cluster):
    bring(store, cluster, 0)
    bring(store, cluster, 1, canary=10)
    late = target(cluster)
    late.look()
    bring(store, cluster, 1, canary=50)
    with pytest.raises(OvertakenError, match="changed meanwhile"):
        late.move(candidate_module.read_candidate(store.registry, store.versions[1]), 30)
    assert shares(store, cluster) == {0: 50, 1: 50}


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_what_graft_did_not_make_stays_as_it_is(store, cluster, mode):
    cluster.mode = mode
    bring(store, cluster, 0)
    cluster.settle()
    name = NAME if mode == "Knative" else f"{NAME}-check"
    foreign = cluster.objects.setdefault(name, copy.deepcopy(cluster.objects[NAME]))
    foreign["metadata"] |= {"labels": {"app": "mine"}, "name": name}
    cluster.runs.setdefault(name, copy.deepcopy(cluster.runs[NAME]))
    before = copy.deepcopy(foreign["spec"])
    with pytest.raises(GraftError, match=f"models/{name} was not made by Graft"):
        bring(store, cluster, 1)
    assert foreign["spec"] == before and "deletionTimestamp" not in foreign["metadata"]


def test_a_deployment_is_checked_by_a_service_beside_it(store, standard):
    bring(store, standard, 0)
    standard.asked.clear()
    bring(store, standard, 1)
    changes = [
        f"{method} {path.rpartition('/')[2].partition('?')[0]}"
        for method, path, *_ in standard.asked
        if method != "GET"
    ]
    assert changes == ["POST inferenceservices", "POST pets-check:predict", "PATCH pets", "DELETE pets-check"]
    standard.settle()
    assert shares(store, standard) == {1: 100} and list(standard.objects) == [NAME]


def test_a_deployment_never_gets_what_answers_otherwise(store, standard):
    bring(store, standard, 0)
    standard.wrong = {store.versions[1]}
    with pytest.raises(GraftError, match="It gets no traffic"):
        bring(store, standard, 1)
    standard.settle()
    assert shares(store, standard) == {0: 100}
    bring(store, standard, 2)
    standard.settle()
    assert shares(store, standard) == {2: 100} and list(standard.objects) == [NAME]


def test_a_deployment_has_no_canary(store, standard):
    bring(store, standard, 0)
    with pytest.raises(GraftError, match="can't split traffic"):
        bring(store, standard, 1, canary=10)


def test_a_mode_that_graft_does_not_know_is_left_alone(store, cluster, monkeypatch):
    bring(store, cluster, 0)
    monkeypatch.setattr(cluster, "work", lambda: None)
    cluster.objects[NAME]["status"]["deploymentMode"] = "ModelMesh"
    with pytest.raises(GraftError, match="ModelMesh"):
        target(cluster).look()


@pytest.mark.parametrize("name", ["Pets", "pets_2", "2pets", "p" * 41])
def test_a_name_that_no_service_can_have_is_refused(cluster, name):
    with pytest.raises(GraftError, match="can't be the name of an InferenceService"):
        target(cluster, name)


def test_a_store_that_kserve_cannot_fetch_is_refused(store, cluster, monkeypatch):
    monkeypatch.setattr(deploy_module, "read_candidate", candidate_module.read_candidate)
    with pytest.raises(GraftError, match="gs:// or s3://"):
        bring(store, cluster, 0)


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (
            403,
            'inferenceservices is forbidden: User "x" cannot create',
            r"may not be read or changed .*grant the account the Role",
        ),
        (403, 'admission webhook "validator" denied the request: no', r"is refused .*denied the request: no"),
        (422, "spec.predictor: Invalid value", "is refused .*Invalid value"),
        (500, "etcdserver: leader changed", "out of order .*leader changed"),
    ],
)
def test_a_refusal_is_told_in_a_sentence(store, cluster, monkeypatch, status, message, said):
    monkeypatch.setattr(api_client, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "error", lambda code, text: {"kind": "Status", "message": message, "code": code})
    cluster.fail("POST", status)
    with pytest.raises(GraftError, match=said):
        bring(store, cluster, 0)


def test_an_account_without_rights_is_told(store, cluster):
    cluster.token = "another"
    with pytest.raises(GraftError, match="HTTP 403"):
        target(cluster).look()


def test_a_cluster_that_does_not_answer_is_told(store, cluster, monkeypatch):
    monkeypatch.setattr(api_client, "REACH_SECONDS", 0.0)
    cluster.drop("GET", times=9)
    with pytest.raises(GraftError, match="the cluster does not answer"):
        target(cluster).look()


def test_an_answer_that_is_no_service_is_refused(store, cluster, monkeypatch):
    bring(store, cluster, 0)
    monkeypatch.setattr(cluster, "work", lambda: None)
    cluster.objects[NAME]["status"]["components"]["predictor"]["traffic"][0]["percent"] = "all"
    with pytest.raises(GraftError, match=r"no Service \(status\.components\.predictor\.traffic\.0\.percent"):
        target(cluster).look()


def test_an_address_that_does_not_answer_is_told(store, cluster, awake):
    with pytest.raises(GraftError, match="does not answer .* look at the log of its pod"):
        deploy(
            registry_at(store, 0),
            KServeTarget(NAME, replace(config(cluster), ingress=f"http://127.0.0.1:{free_port()}")),
        )
    assert len(awake) >= 11


def test_a_cluster_refuses_what_is_no_field(cluster):
    manifest = {
        "metadata": {"name": "pets"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "t"}, "storageURI": "gs://b"}}},
    }
    with pytest.raises(GraftError, match=r'HTTP 400.*unknown field "\.spec\.predictor\.model\.storageURI"'):
        Cluster(NAMESPACE, "").create(SERVICES, "pets", manifest)


def registry_at(store, place):
    store.registry.promote(store.versions[place])
    return store.registry


def test_an_older_version_that_comes_back_is_the_canary(store, cluster):
    bring(store, cluster, 0)
    bring(store, cluster, 1)
    assert bring(store, cluster, 0, canary=10).percent == 10
    roll_back(store.registry, target(cluster))
    assert shares(store, cluster) == {1: 100}
    bring(store, cluster, 0, canary=10)
    assert shares(store, cluster) == {1: 90, 0: 10}


@pytest.mark.parametrize("version", ["../../mine", "\x1b[31m", "0" * 63])
def test_a_version_that_somebody_wrote_who_is_not_graft_is_none(store, cluster, version):
    bring(store, cluster, 0)
    cluster.settle()
    cluster.objects[NAME]["spec"]["predictor"]["annotations"]["graft/version"] = version
    cluster.runs[NAME].template["annotations"]["graft/version"] = version
    for revision in cluster.runs[NAME].revisions:
        revision["template"]["annotations"]["graft/version"] = version
    assert [one.version for one in target(cluster).look()] == [""]
    assert bring(store, cluster, 1).percent == 100
