"""What several tests share."""

import dataclasses
import fcntl
import gc
import os
import shutil
import signal
import sys
import uuid
from pathlib import Path

import fsspec
import pytest
from forked import Forker
from support import JOINED, QUICK, ROOT, free_port, gcs_server, skip, start
from training_pages import without_page

from graft.components.evaluate.evaluate import evaluate
from graft.components.export.config import ExportConfig
from graft.components.export.export import export
from graft.components.gate.config import GateConfig
from graft.components.gate.gate import gate
from graft.components.ingest.ingest import ingest
from graft.components.ingest.report import histograms
from graft.components.train.train import train
from graft.pipelines.local.sample import draw_sample

# A shell that starts the tests in the background makes them, and all commands that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collects the tests without the garbage: its collector would go through TensorFlow again and again, a third of the CPU seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# Fixtures that train or start a server.
SLOW = {"chain", "other_model", "gcs_address", "s3_address", "any_bucket"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks tests as slow by what they use."""
    for item in items:
        if not SLOW.isdisjoint(item.fixturenames):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def histograms_drawn_once():
    """Draws histograms of the same numbers once for all data reports that are made in this process.

    Matplotlib takes nine tenths of the CPU seconds of a small ingest, and the tests ingest the same few images again and again.
    """
    draw, drawn = histograms.chart, {}

    def draw_once(title, summary, plot, numbers):
        key = title, repr(numbers)
        if key not in drawn:
            drawn[key] = draw(title, summary, plot, numbers)
        return dataclasses.replace(drawn[key], summary=summary)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histograms, "chart", draw_once)
        yield


@pytest.fixture(scope="session")
def photographs():
    """Path of the archive of real photographs."""
    return _file("GRAFT_TEST_SOURCE", "the cats and dogs archive")


@pytest.fixture(scope="session")
def pretrained():
    """Path of pretrained weights."""
    return _file("GRAFT_TEST_WEIGHTS", "an InceptionV3 notop weights file")


def _file(variable, what):
    value = os.environ.get(variable)
    if not value:
        skip("photographs", f"{variable} doesn't name {what}")
    path = Path(value)
    if not path.is_absolute():
        path = ROOT / path
    if not path.is_file():
        skip("photographs", f"{path} ({variable}) doesn't exist")
    return path


@pytest.fixture(scope="session")
def gcs_address():
    """Address of a real fake-gcs-server."""
    with gcs_server() as address:
        yield address


@pytest.fixture
def bucket(gcs_address, monkeypatch):
    """URI of an empty bucket, which the clients of this process and those it starts can reach."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_address)
    # gcsfs would first ask for the kind of a bucket over gRPC, which the server doesn't speak, and wait a minute.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    name = f"bucket-{uuid.uuid4().hex}"
    fs = fsspec.filesystem("gs", skip_instance_cache=True)
    fs.clear_instance_cache()
    fs.mkdir(name)
    yield f"gs://{name}"
    fs.clear_instance_cache()


@pytest.fixture(scope="session")
def s3_address():
    """Address of moto's server."""
    port = free_port()
    server = start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port)
    if server is None:
        skip("servers", "moto's server doesn't start")
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.fixture
def s3_bucket(s3_address, monkeypatch):
    """URI of an empty S3 bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"bucket-{uuid.uuid4().hex}"
    fs = fsspec.filesystem("s3", skip_instance_cache=True)
    fs.clear_instance_cache()
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}"
    fs.clear_instance_cache()


@pytest.fixture(params=["gs", "s3"])
def any_bucket(request):
    """URI of an empty bucket, at either."""
    return request.getfixturevalue("bucket" if request.param == "gs" else "s3_bucket")


@pytest.fixture(params=["local", "memory", "gs"])
def store(request, tmp_path):
    """URI of an empty store, once for each kind of file system."""
    if request.param == "gs":
        return f"{request.getfixturevalue('bucket')}/store"
    return str(tmp_path / "store") if request.param == "local" else f"memory://{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Makes something in a folder of GRAFT_TEST_SHARED, which tests that run side by side share; nobody writes there later."""
    shared = os.environ.get("GRAFT_TEST_SHARED")
    folder = Path(shared) if shared else tmp_path_factory.mktemp("shared")

    def make(name, write):
        done, made = folder / f"{name}.made", folder / name
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits
            if not done.exists():
                shutil.rmtree(made, ignore_errors=True)
                write(made)
                done.touch()
        return made

    return make


@pytest.fixture(scope="session")
def forker():
    """Starts processes that have TensorFlow imported."""
    forker = Forker()
    yield forker
    forker.end()


@pytest.fixture
def no_page():
    """Trainings of this process without their page."""
    with without_page():
        yield


@pytest.fixture(scope="session")
def dataset(made_once):
    """A Dataset of 40 training and 20 validation images; the pictures lie beside it."""

    def write(folder):
        draw_sample(folder / "pictures", images=60)
        ingest(str(folder / "pictures"), folder / "dataset")

    return made_once("small", write) / "dataset"


@pytest.fixture(scope="session")
def chain(dataset, made_once):
    """A folder of what all steps made of that dataset: dataset, model, evaluation, decision, export."""

    def write(folder):
        folder.mkdir()
        for name in ("pictures", "dataset"):
            (folder / name).symlink_to(dataset.parent / name)
        train(dataset, folder / "model", "random", QUICK)
        evaluate(folder / "model", dataset, folder / "evaluation")
        gate(folder / "evaluation", folder / "decision", GateConfig(min_accuracy=0.01))
        inputs = [folder / name for name in ("model", "dataset", "evaluation", "decision")]
        export(*inputs, folder / "export", ExportConfig(parity_images=8))

    return made_once("chain", write)


@pytest.fixture(scope="session")
def joined_training(dataset, made_once):
    """A folder of the Model and the store of a training on several cuts that predicts the mirror image too."""

    def write(folder):
        folder.mkdir()
        train(dataset, folder / "model", "random", JOINED, str(folder / "store"))

    return made_once("joined", write)


@pytest.fixture(scope="session")
def other_model(dataset, made_once):
    """Another Model of that dataset, which gives other answers than the one of the chain."""
    other = dataclasses.replace(QUICK, epochs=1, seed=3)
    return made_once("other-model", lambda folder: train(dataset, folder, "random", other))
