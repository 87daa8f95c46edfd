"""Vertex's Model Registry has what Graft's says, and a version once, whoever uploads it: the mirror or a deployment."""

import pytest
from fault_sequences import NAME, make_servable_export
from google.cloud import aiplatform_v1 as api
from vertex_scene import IMAGE, LOCATION, PROJECT, VertexScene

from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.services import api_client, vertex
from graft.components.common.services.vertex import VertexClient
from graft.components.common.services.vertex_models import VertexModels
from graft.components.deploy import deploy as steps
from graft.components.mirror import mirror as mirroring
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.vertex import VertexRegistry

MODEL = f"projects/{PROJECT}/locations/{LOCATION}/models/graft-{NAME}"
CONFIG = MirrorConfig("vertex", PROJECT, LOCATION, IMAGE)
CHANGES = "^(POST|PATCH|DELETE)"


class _Season:
    """A registry in a bucket, and Vertex."""

    def __init__(self, registry, folder):
        self.registry, self._folder, self.versions = registry, folder, []
        self.scene = VertexScene(self)
        self.server = self.scene.server

    def publish(self, promote=True):
        folder = self._folder / f"export-{len(self.versions)}"
        make_servable_export(folder, len(self.versions))
        version = self.registry.publish(folder)
        self.versions.append(version)
        self.server.folders.add(f"{self.registry.versions.uri(version)}/serving/{NAME}/1")
        if promote:
            self.registry.promote(version)
        return version

    def answer(self, version):
        return (self._folder / f"export-{self.versions.index(version)}/serving/response.json").read_bytes()

    def open(self, seconds=None):
        client = VertexClient(PROJECT, LOCATION, self.server.url, lambda: "token")
        return VertexRegistry(VertexModels(client, NAME, IMAGE), seconds)

    def mirror(self):
        return mirroring.mirror(self.registry, CONFIG)

    @property
    def held(self):
        """Returns Vertex's versions by their numbers: which version it is, its state, and its aliases for people."""
        held = {}
        for number, model in self.server.models.get(self.server._named(MODEL), {}).items():
            version = next(alias for alias in model.version_aliases if alias.startswith("graft-")).removeprefix(
                "graft-"
            )
            aliases = sorted(alias for alias in model.version_aliases if not alias.startswith("graft-"))
            held[int(number)] = (self.versions.index(version), model.labels.get("graft_state"), aliases)
        return held


@pytest.fixture
def season(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(vertex, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(api_client, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(api_client, "REACH_SECONDS", 1.0)
    season = _Season(Registry(f"{bucket}/graft", NAME), tmp_path)
    monkeypatch.setattr(mirroring, "open_other", lambda config, name, seconds=None: season.open(seconds))
    with season.scene:
        yield season


def test_a_season_of_runs_and_a_rollback(season):
    for number in range(3):
        season.publish()
        assert (season.mirror().problem, season.mirror().changed) == ("", 0)
        assert season.held[number + 1] == (number, "latest", ["champion", "default"])
    season.publish(promote=False)
    season.registry.rollback("it sees cats in cars")
    result = season.mirror()
    assert (result.versions, result.champion) == (4, season.versions[1])
    assert season.held == {
        1: (0, "promoted-earlier", []),
        2: (1, "latest", ["champion", "default"]),
        3: (2, "withdrawn", []),
        4: (3, "not-promoted", []),
    }
    told = season.server.models[season.server._named(MODEL)]["2"]
    about = season.registry.versions.about(season.versions[1])
    assert f"Version {season.versions[1]}, model {about.model_digest}" in told.version_description
    assert "accuracy 0.9" in told.version_description
    season.server.asked.clear()
    assert (season.mirror().changed, season.server.times(CHANGES)) == (0, 0)


@pytest.mark.parametrize("step", [":upload", "PATCH", ":mergeVersionAliases"])
def test_what_was_lost_is_caught_up(season, step):
    season.publish()
    season.mirror()
    season.publish()
    season.server.fail(step, 400, times=1)
    assert "Vertex refuses (HTTP 400" in season.mirror().problem
    assert season.mirror().problem == ""
    assert season.held == {1: (0, "promoted-earlier", []), 2: (1, "latest", ["champion", "default"])}


def test_a_version_that_was_deployed_is_not_uploaded_again(season):
    season.publish()
    steps.deploy(season.registry, season.scene.open())
    assert season.mirror().problem == ""
    assert season.held == {1: (0, "latest", ["champion", "default"])}
    season.publish()
    season.mirror()
    steps.deploy(season.registry, season.scene.open())
    assert season.server.times(":upload") == 2


def test_without_a_latest_version_nobody_is_champion(season):
    season.publish(promote=False)
    season.mirror()
    assert season.held == {1: (0, "not-promoted", ["default"])}
    season.open().crown(1)
    assert season.held[1][2] == ["champion", "default"]
    season.mirror()
    assert season.held[1][2] == ["default"]


def test_a_version_can_be_deleted_unless_it_is_deployed(season):
    for _ in range(2):
        season.publish()
        season.mirror()
    season.open().remove(1)
    season.open().remove(1)
    assert [*season.held] == [2]
    steps.deploy(season.registry, season.scene.open())
    with pytest.raises(GraftError, match="Vertex refuses"):
        season.open().remove(2)


def test_a_model_of_somebody_else_s_is_no_mirror(season):
    season.publish()
    name = season.server._named(MODEL)
    model = {"name": name, "version_id": "1", "version_aliases": ["default"], "display_name": NAME}
    season.server.models[name] = {"1": api.Model(model)}
    result = season.mirror()
    assert "is not from Graft, which leaves it as it is" in result.problem
    assert season.server.times(CHANGES) == 0


def test_a_vertex_that_is_down_is_told_and_does_no_harm(season):
    season.publish()
    season.server.fail(".", 503, times=1000)
    assert "Vertex is not working (HTTP 503" in season.mirror().problem
