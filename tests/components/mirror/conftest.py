"""An MLflow server, and a registry to be mirrored there."""

import uuid

import pytest
from exports import make_export, model_digest
from fake_mlflow import FakeMlflow
from mlflow_exchanges import ask
from real_mlflow import RealMlflow

from graft.components.common.registry.registry import Registry
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.mirror import mirror


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A real MLflow server."""
    with RealMlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.slow)])
def server(request):
    """An MLflow server: a real one where it is installed, and always one that is no kinder."""
    if request.param == "real":
        server = request.getfixturevalue("real")
        server.asked.clear()
        yield server
        server.faults.clear()
    else:
        with FakeMlflow() as server:
            yield server


@pytest.fixture
def fake():
    """The server that is no kinder, for what a real one can't be brought to do."""
    with FakeMlflow() as server:
        yield server


class Mirrored:
    """A model's registry and what a server has of it.

    Attributes:
        registry: The registry.
        config: The mirror.
    """

    def __init__(self, store, name, url, folder):
        self.registry, self.config, self._folder, self._met = Registry(store, name), MirrorConfig(url), folder, None

    def publish(self, seed, accuracy=0.9, promote=True):
        """Does what a run does: publishes an Export made from a seed and promotes it; returns the version."""
        make_export(self._folder / f"export-{seed}", seed, accuracy)
        version = self.registry.publish(self._folder / f"export-{seed}")
        if promote:
            self.registry.challenge(version, self._met)
            self._met = model_digest(seed)
        return version

    def mirror(self):
        """Does what a run does then, and checks that it worked."""
        result = mirror(self.registry, self.config)
        assert result.problem == ""
        return result

    def ask(self, method, path, **content):
        status, answer = ask(self.config.to, method, path, {"name": self.registry.name} | content)
        assert status == 200, answer
        return answer

    @property
    def versions(self):
        """The model versions, the oldest first: of each its number, source and tags."""
        query = {"filter": f"name='{self.registry.name}'", "max_results": "1000"}
        _, answer = ask(self.config.to, "GET", "model-versions/search", query)
        found = sorted(answer.get("model_versions", []), key=lambda version: int(version["version"]))
        return [
            (int(one["version"]), one["source"], {tag["key"]: tag["value"] for tag in one.get("tags", [])})
            for one in found
        ]

    @property
    def states(self):
        """What the model versions' tags say became of them."""
        return [tags["graft_state"] for _, _, tags in self.versions if tags]

    @property
    def held(self):
        """The registry's versions that the model versions are of."""
        return [tags["graft_version"] for _, _, tags in self.versions if tags]

    @property
    def champion(self):
        """The version whose model version is the champion; None for none."""
        model = self.ask("GET", "registered-models/get")["registered_model"]
        number = next((int(one["version"]) for one in model.get("aliases", []) if one["alias"] == "champion"), None)
        return next((tags.get("graft_version", number) for found, _, tags in self.versions if found == number), None)


@pytest.fixture
def pets(server, tmp_path):
    """A registry on the disk, mirrored to that server."""
    return Mirrored(str(tmp_path / "store"), f"pets-{uuid.uuid4().hex[:8]}", server.url, tmp_path)


@pytest.fixture
def faked(fake, tmp_path):
    """A registry on the disk, mirrored to the server that is no kinder."""
    return Mirrored(str(tmp_path / "store"), "pets", fake.url, tmp_path)
