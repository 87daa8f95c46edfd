"""Small Exports, most of no model, and processes that publish them."""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
from support import ROOT

from graft.components.common.artifacts.checksums import SUMS, write_sums
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.errors import NotPromotedError
from graft.components.common.registry.registry import Registry

# gcsfs reads it when it is imported, which the processes do before they know of a server.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

FILES = {
    "model.keras": 60_000,
    "serving/pets/1/saved_model.pb": 40_000,
    "serving/pets/1/variables/variables.index": 500,
    "serving/request.json": 900,
}


def write_evaluation(folder, model_digest, accuracy):
    """Writes the record of an evaluation that gave a model this accuracy."""
    evaluation = Evaluation.load(ROOT / "tests/fixtures/schema_2/lineage")
    metrics = evaluation.metrics.model_copy(update={"accuracy": accuracy})
    evaluation.model_copy(update={"model_digest": model_digest, "metrics": metrics}).write(folder)


def model_digest(seed):
    """Returns the digest of the model in an Export made from a seed."""
    return hashlib.sha256(random.Random(seed).randbytes(FILES["model.keras"])).hexdigest()


def make_export(folder, seed, accuracy=0.9):
    """Writes an Export from a seed, and returns its version."""
    chance = random.Random(seed)
    for path, size in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(chance.randbytes(size))
    (folder / "lineage").mkdir()
    write_evaluation(folder / "lineage", model_digest(seed), accuracy)
    return write_sums(folder)


def export_of(model, folder, accuracy=0.9, index=None):
    """Makes a Model an Export, as far as evaluate and the registry need it, and returns its version."""
    (folder / "lineage").mkdir(parents=True)
    if index is not None:
        pq.write_table(index, folder / "lineage/index.parquet")
    shutil.copyfile(model / "model.keras", folder / "model.keras")
    shutil.copyfile(model / "training.json", folder / "lineage/training.json")
    digest = json.loads((model / "training.json").read_text())["model_digest"]
    write_evaluation(folder / "lineage", digest, accuracy)
    return write_sums(folder)


def in_earlier_layout(export, folder):
    """Writes an Export of `model` again as Graft wrote it before there was `serving/`."""
    shutil.copytree(export, folder)
    (folder / SUMS).unlink()
    (folder / "serving/model/1").rename(folder / "saved_model")
    shutil.rmtree(folder / "saved_model/assets.extra")
    (folder / "serving/request.json").rename(folder / "request.json")
    shutil.rmtree(folder / "serving")
    record = json.loads((folder / Export.FILE).read_text())
    record["formats"]["saved_model"] = record["formats"].pop("serving/model/1")
    (folder / Export.FILE).write_text(json.dumps(record))
    write_sums(folder)
    return folder


def count_calls(calls, last):
    """Counts the calls of this process's functions, its threads' too, and kills the process at the last one.

    Time would not do: how far a process comes in so many seconds depends on what else the machine does.
    """

    def seen(frame, event, argument):
        if event in ("call", "c_call"):
            calls.value += 1
            if calls.value == last:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(seen)
    sys.setprofile(seen)


def publish_and_challenge(environment, store, export, met, calls=None, last=None, together=None):
    """Does what a pipeline does; ends with 1 if the version was not promoted, and is killed at its `last` call of a function.

    The environment is told, since processes have that of the test which was the first to start one. `calls` is a shared number in
    which the calls are counted; at `together`, a barrier, it waits for the others.
    """
    os.environ.update(environment)
    if together is not None:
        together.wait()
    if calls is not None:
        count_calls(calls, last)
    registry = Registry(store, "pets")
    version = registry.publish(Path(export))
    try:
        registry.challenge(version, met)
    except NotPromotedError:
        sys.exit(1)
