"""What tests of ingest share."""

import shutil

import pytest
from awkward import awkward_files, facts, run_parts, step
from pictures import write_folder

from graft.components.common.runs.run import Run
from graft.components.ingest.images import decoding_pool


@pytest.fixture
def decoded(monkeypatch):
    """The contents that were decoded in this process, as they come."""
    seen = []
    check_image = decoding_pool.check_image
    monkeypatch.setattr(decoding_pool, "check_image", lambda content: seen.append(content) or check_image(content))
    return seen


@pytest.fixture(scope="session")
def awkward(tmp_path_factory):
    """The folder of a source in which everything happens that makes one hard to share out; nobody writes there."""
    return write_folder(tmp_path_factory.mktemp("awkward") / "files", awkward_files())


@pytest.fixture(scope="session")
def alone(awkward, tmp_path_factory):
    """What one process makes of that source."""
    folder = tmp_path_factory.mktemp("alone")
    return facts(folder / "alone", step(awkward, folder / "alone", Run(str(folder / "store"), "pets", "run-1")))


@pytest.fixture(scope="session")
def shared_out_once(awkward, tmp_path_factory):
    """A run whose two parts have checked that source; its store is moved away, since a shard is named by where it is."""
    folder = tmp_path_factory.mktemp("shared-out")
    run = Run(str(folder / "store"), "pets", "run-1")
    run_parts(awkward, run, 2)
    (folder / "store").rename(folder / "kept")
    return run, folder


@pytest.fixture
def shared_out(shared_out_once):
    """A run whose two parts have checked that source, and whose step is to come."""
    run, folder = shared_out_once
    shutil.copytree(folder / "kept", run.store)
    yield run
    shutil.rmtree(run.store)
