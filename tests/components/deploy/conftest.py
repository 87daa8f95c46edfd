"""What the tests of deploying share: a store of tiny models that can be served."""

import shutil

import pytest
from tiny_exports import NAME, Published, ask_here, make_tiny_export, write_models

from graft.components.common.registry.registry import Registry
from graft.components.deploy.targets import numbered

MODELS = 22


@pytest.fixture(scope="session")
def models(made_once):
    """A folder of tiny SavedModels, called by their seeds."""

    def write(folder):
        folder.mkdir()
        write_models(folder, MODELS)

    return made_once("tiny-models", write)


@pytest.fixture(scope="session")
def published_once(made_once, models, tmp_path_factory):
    """A store with a version of each of them, none of which was promoted."""

    def write(folder):
        exports = tmp_path_factory.mktemp("exports")
        for seed in range(MODELS):
            make_tiny_export(models, exports / str(seed), seed)
            Registry(str(folder), NAME).publish(exports / str(seed))

    return made_once("tiny-store", write)


@pytest.fixture
def published(published_once, tmp_path):
    """Such a store, which the test may change."""
    shutil.copytree(published_once, tmp_path / "store")
    return Published(tmp_path / "store")


@pytest.fixture
def asked_here(monkeypatch):
    """Has models run in this process, which takes a tenth of the time."""
    monkeypatch.setattr(numbered, "ask_saved_model", ask_here)
