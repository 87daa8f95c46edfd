"""What is deployed to a Vertex endpoint, asked and given traffic, against a server as strict as the reference."""

import re
import time

import pytest
from fault_sequences import NAME, make_store, read_from_bucket
from google.cloud import aiplatform_v1 as api
from vertex_scene import ENDPOINT, VertexScene, folder_of, version_of

from graft.components.common.errors import GraftError
from graft.components.common.services import vertex
from graft.components.common.services.vertex import VertexClient
from graft.components.common.services.vertex_models import vertex_id
from graft.components.deploy import deploy as steps
from graft.components.deploy.candidate import read_candidate
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.opening import open_target
from graft.components.deploy.targets.vertex_endpoint import deployed_id

CHECK = f"{ENDPOINT}-check"
CHANGES = "^(POST|PATCH|DELETE)"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("vertex"))


@pytest.fixture
def scene(store, monkeypatch):
    monkeypatch.setattr(vertex, "POLL_SECONDS", 0.0)
    read_from_bucket(monkeypatch, store)
    store.forget()
    with VertexScene(store) as scene:
        yield scene


def deploy(scene, number=None, canary=100):
    """Promotes a version, if one is named, and deploys the latest."""
    if number is not None:
        scene.store.registry.promote(scene.store.versions[number])
    return steps.deploy(scene.store.registry, scene.open(), canary)


def shares(scene):
    return {scene.store.versions.index(version): share for version, share in scene.traffic().items()}


def there(scene, endpoint=ENDPOINT):
    """Returns which versions are deployed to an endpoint, with and without traffic."""
    kept = scene.server.endpoints[scene.server._named(endpoint)]
    folders = [scene.server._version_of(one).artifact_uri for one in kept.deployed_models]
    return [scene.store.versions.index(version_of(folder)) for folder in folders]


def test_a_first_version_is_uploaded_asked_and_served(scene):
    result = deploy(scene, 0)
    assert (result.percent, result.changed, shares(scene)) == (100, True, {0: 100})
    assert (there(scene), there(scene, CHECK)) == ([0], [])
    asked = [path for method, path, *_ in scene.server.asked if method != "GET"]
    order = [next(place for place, path in enumerate(asked) if step in path) for step in (":upload", "-check:predict")]
    assert order == sorted(order) and re.search(r"endpoints/graft-pets\?", asked[order[1] + 1]), asked
    (model,) = scene.server.models.values()
    (version,) = model.values()
    assert set(version.version_aliases) == {"default", f"graft-{scene.store.versions[0]}"}
    assert version.artifact_uri == folder_of(scene.store.versions[0])


def test_what_is_served_is_left_alone(scene):
    deploy(scene, 0)
    scene.server.asked.clear()
    result = deploy(scene)
    assert (result.percent, result.changed, scene.server.times(CHANGES)) == (100, False, 0)


def test_a_canary_is_promoted_or_rolled_back_by_the_traffic_alone(scene):
    deploy(scene, 0)
    assert deploy(scene, 1, canary=10).percent == 10
    assert shares(scene) == {0: 90, 1: 10}
    scene.server.asked.clear()
    registry = scene.store.registry
    assert (steps.promote(registry, scene.open()).percent, shares(scene)) == (100, {1: 100})
    assert deploy(scene, 2, canary=20).percent == 20
    scene.server.asked.clear()
    assert steps.roll_back(registry, scene.open()).version == scene.store.versions[1]
    assert shares(scene) == {1: 100}
    assert scene.server.times("deployModel|predict|upload") == scene.server.times("undeployModel")
    with pytest.raises(GraftError, match="gets no traffic at the Vertex endpoint graft-pets"):
        steps.promote(registry, scene.open())


def test_a_withdrawn_version_loses_its_traffic_to_one_that_still_is_deployed(scene):
    deploy(scene, 0)
    deploy(scene, 1)
    assert there(scene) == [0, 1]
    scene.store.registry.rollback("it sees cats in cars")
    scene.server.asked.clear()
    assert (deploy(scene, canary=10).percent, shares(scene), there(scene)) == (100, {0: 100}, [0])
    asked = [path for method, path, *_ in scene.server.asked if method != "GET"]
    assert [path.partition("?")[0].rpartition("/")[2] for path in asked] == ["graft-pets", "graft-pets:undeployModel"]


@pytest.mark.parametrize(("keep", "left"), [(0, [2]), (1, [1, 2])])
def test_as_many_older_versions_stay_as_the_settings_say(store, scene, keep, left):
    with VertexScene(store, keep=keep) as scene:
        for number in range(3):
            deploy(scene, number)
        assert (there(scene), there(scene, CHECK), shares(scene)) == (left, [], {2: 100})


def test_a_version_that_answers_otherwise_gets_no_traffic(scene):
    deploy(scene, 0)
    scene.wrong = {scene.store.versions[1]}
    with pytest.raises(GraftError, match=r"answers .*dogs.* It gets no traffic"):
        deploy(scene, 1)
    assert (there(scene), there(scene, CHECK), shares(scene)) == ([0], [], {0: 100})
    assert (deploy(scene, 2).percent, there(scene), there(scene, CHECK)) == (100, [0, 2], [])


def test_what_answers_otherwise_and_cannot_be_removed_is_still_told(scene):
    deploy(scene, 0)
    scene.wrong = {scene.store.versions[1]}
    scene.server.fail(":undeployModel", 403, times=9)
    with pytest.raises(GraftError, match=r"answers .*dogs.* It gets no traffic"):
        deploy(scene, 1)
    assert shares(scene) == {0: 100}


def test_what_a_killed_deployment_left_at_the_second_endpoint_is_removed(scene, store):
    deploy(scene, 0)
    target, candidate = scene.open(), steps.read_candidate(store.registry, store.versions[1])
    target.stage(candidate)
    target.ask(candidate)
    assert (there(scene), there(scene, CHECK), shares(scene)) == ([0, 1], [1], {0: 100})
    deploy(scene, 2)
    assert (there(scene), there(scene, CHECK), shares(scene)) == ([0, 2], [], {2: 100})


def test_a_container_that_does_not_start_is_told_in_vertex_s_words(scene):
    deploy(scene, 0)
    scene.dead = {scene.store.versions[1]}
    with pytest.raises(GraftError, match=r"deploying the version .* Vertex could not do it \(Model server exited"):
        deploy(scene, 1)
    assert shares(scene) == {0: 100}
    scene.dead = set()
    assert deploy(scene).percent == 100


def test_what_vertex_has_taken_on_is_waited_for_and_not_told_twice(store, scene):
    with VertexScene(store, timeout=1) as scene:
        deploy(scene, 0)
        scene.server.asked.clear()
        scene.server.polls = 10**9
        for step in ("uploading the version", "deploying the version"):
            with pytest.raises(GraftError, match=rf"{step} .*Vertex has taken it on, and is not done after 1 seconds"):
                deploy(scene, 1)
            for one in scene.server.operations.values():
                one["left"] = 0
        scene.server.polls = 1
        assert (deploy(scene).percent, shares(scene)) == (100, {1: 100})
        assert (scene.server.times(":upload"), scene.server.times(":deployModel")) == (1, 2)


@pytest.mark.parametrize(
    "step", [":upload", "/endpoints.endpointId=graft-pets-check", "graft-pets:deployModel", "PATCH"]
)
def test_an_answer_that_is_lost_starts_nothing_twice(scene, step):
    scene.server.drop(step, after=True)
    assert deploy(scene, 0).percent == 100
    assert len(scene.server.models) == 1 and scene.server.times(":upload") == 1
    assert (there(scene), there(scene, CHECK)) == ([0], [])
    assert scene.server.times("POST .*:deployModel") == 2


def test_what_graft_did_not_make_stays_as_it_is(scene):
    server = scene.server
    name = server._named(ENDPOINT)
    server.endpoints[name] = api.Endpoint(name=name, display_name="theirs", etag="1")
    with pytest.raises(
        GraftError, match=r"endpoints/graft-pets is not what Graft made for this model, and stays as it is"
    ):
        deploy(scene, 0)
    model = name.replace("endpoints", "models")
    server.endpoints.clear()
    server.models[model] = {"1": api.Model(name=model, version_id="1", version_aliases=["default"])}
    with pytest.raises(GraftError, match=r"models/graft-pets is not from Graft, which leaves it as it is"):
        deploy(scene)
    assert server.times(CHANGES) == 0


def test_a_model_that_a_person_deployed_loses_its_traffic_and_stays(scene):
    deploy(scene, 0)
    kept = scene.server.endpoints[scene.server._named(ENDPOINT)]
    other = api.DeployedModel(kept.deployed_models[0], id="77", display_name="theirs", create_time=scene.server.now())
    kept.deployed_models.append(other)
    kept.traffic_split = {"77": 60, kept.deployed_models[0].id: 40}
    placed = scene.open().look()
    assert [(one.version, one.percent, one.where) for one in placed] == [
        ("", 60, "deployed model 77"),
        (scene.store.versions[0], 40, f"deployed model {deployed_id(scene.store.versions[0])}"),
    ]
    assert deploy(scene, 1, canary=10).percent == 10
    assert kept.traffic_split["77"] == 90
    assert deploy(scene).percent == 100
    assert [one.id for one in kept.deployed_models if one.id == "77"] == ["77"]


def test_a_version_that_was_removed_and_came_again_answers_again(scene):
    deploy(scene, 0)
    deploy(scene, 1)
    kept = scene.server.endpoints[scene.server._named(ENDPOINT)]
    came = api.DeployedModel(kept.deployed_models[0], create_time=scene.server.now())
    kept.deployed_models = [kept.deployed_models[1], came]
    scene.wrong = {scene.store.versions[0]}
    with pytest.raises(GraftError, match="It gets no traffic"):
        deploy(scene, 0)
    assert shares(scene) == {1: 100}


def test_traffic_that_somebody_else_moves_meanwhile_is_looked_at_again(scene, monkeypatch):
    deploy(scene, 0)
    deploy(scene, 1)
    kept, real = scene.server.endpoints[scene.server._named(ENDPOINT)], steps.read_candidate

    def moved(*arguments):
        if kept.traffic_split != (split := {deployed_id(scene.store.versions[0]): 100}):
            kept.traffic_split = split
        return real(*arguments)

    monkeypatch.setattr(steps, "read_candidate", moved)
    assert (deploy(scene, 2, canary=30).percent, shares(scene)) == (30, {0: 70, 2: 30})


def test_the_counter_by_which_a_version_came_is_kept(scene, store):
    target = scene.open()
    target.look()
    version = store.versions[0]
    candidate = steps.read_candidate(store.registry, version, 12)
    target.stage(candidate)
    target.ask(candidate)
    target.move(candidate, 100)
    assert [(one.version, one.counter) for one in scene.open().look()] == [(version, 12)]


def test_a_plan_changes_nothing(scene):
    scene.store.registry.promote(scene.store.versions[0])
    plan = steps.would_deploy(scene.store.registry, scene.open(), 100)
    assert "1 to 1 machines n1-standard-4" in plan and "get 100% of the traffic" in plan
    assert scene.server.times(CHANGES) == 0


def test_a_store_that_vertex_can_t_read_is_refused(scene, store):
    candidate = read_candidate(store.registry, store.versions[0])
    with pytest.raises(GraftError, match="Vertex takes models from gs:// alone"):
        scene.open().stage(candidate)


def test_what_is_not_allowed_is_said_with_the_right_that_is_missing(scene):
    scene.server.fail("deployModel", 403, times=2)
    with pytest.raises(
        GraftError, match=r"HTTP 403.*roles/aiplatform.user on my-project, and roles/iam.serviceAccountUser"
    ):
        deploy(scene, 0)


def test_settings_are_checked():
    with pytest.raises(GraftError, match=r"deploy: image is missing: the target vertex needs it"):
        DeployConfig(target="vertex", project="p", location="l")
    for project, location in (("p", "evil.example/"), ("p/../q", "europe-west4")):
        with pytest.raises(GraftError, match="of Google Cloud: write it like"):
            open_target(DeployConfig(target="vertex", project=project, location=location, image="i"), NAME)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("pets", "graft-pets"), ("big-cats-2", "graft-big-cats-2"), ("Pets", "graft-pets-7dc1cd7e")],
)
def test_names_are_those_of_vertex(name, identifier):
    assert vertex_id(name) == identifier


def test_no_two_models_have_one_name_at_vertex():
    names = ["pets", "Pets", "p.ets", "p_ets", "p-ets", "x" * 60, "x" * 61]
    identifiers = {vertex_id(name) for name in names}
    assert len(identifiers) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{0,56}[a-z0-9]", identifier) for identifier in identifiers)


def test_an_operation_is_looked_at_again_while_vertex_is_overloaded(scene, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    scene.server.fail("GET .*/operations/", 503, times=3)
    assert deploy(scene, 0).percent == 100


def test_the_api_is_reached_by_the_region():
    client = VertexClient("p", "europe-west4", token=lambda: "t")
    assert client.service(api.ModelServiceClient).api_endpoint == "europe-west4-aiplatform.googleapis.com"


def test_an_older_version_that_comes_back_is_the_canary(scene, store):
    deploy(scene, 0)
    deploy(scene, 1)
    assert deploy(scene, 0, canary=10).percent == 10
    assert deploy(scene, canary=10).changed is False
    steps.roll_back(store.registry, scene.open())
    assert shares(scene) == {1: 100}
    assert deploy(scene, canary=10).percent == 10
    steps.promote(store.registry, scene.open())
    assert shares(scene) == {0: 100}
