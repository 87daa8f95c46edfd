"""Exports of tiny models that can be served: what one answers tells which it is, and whether its graph and variables belong together."""

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
from exports import write_evaluation
from support import ROOT

from graft.components.common.artifacts.checksums import write_sums
from graft.components.common.artifacts.export import Export
from graft.components.common.registry.registry import Registry
from graft.components.common.serving.protocols.tensorflow_serving_protocol import answer_to
from graft.components.common.serving.session import SavedModelSession

NAME = "pets"
SAVED_MODEL = f"serving/{NAME}/1"
REQUEST = {"signature_name": "serving_default", "instances": [{"image_bytes": {"b64": "AAAA"}}]}
_RECORD = json.loads((ROOT / "tests/fixtures/schema_2/export.json").read_text())
_FORMATS = {SAVED_MODEL if path == "saved_model" else path: told for path, told in _RECORD["formats"].items()}


def write_models(folder, count):
    """Writes SavedModels into folders that are called by their seeds."""
    import tensorflow as tf

    def model(seed):
        module = tf.Module()
        module.share = tf.Variable(_share(seed))
        module.weights = tf.Variable(np.full(10_000, seed, np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def serve(image_bytes):
            rows = tf.ones_like(image_bytes, tf.float32)
            first = rows * (module.share + 0 * tf.reduce_sum(module.weights))
            probabilities = tf.stack([first, 1 - first], axis=1)
            return {"label": tf.fill(tf.shape(image_bytes), f"seed {seed}"), "probabilities": probabilities}

        tf.saved_model.save(module, str(folder / str(seed)), signatures={"serving_default": serve})

    for seed in range(count):
        model(seed)
        shutil.rmtree(folder / str(seed) / "assets")


def make_tiny_export(models, folder, seed, answer=None):
    """Writes an Export of one of these models, and returns its version.

    Args:
        models: The folder of the models.
        folder: The Export's.
        seed: Which one.
        answer: The seed of the model whose answer it is said to give; the same one if None.
    """
    shutil.copytree(models / str(seed), folder / SAVED_MODEL)
    (folder / SAVED_MODEL / "fingerprint.pb").unlink(missing_ok=True)
    keras = random.Random(seed).randbytes(100)
    files = {
        "model.keras": keras,
        Export.REQUEST: json.dumps(REQUEST).encode(),
        Export.RESPONSE: json.dumps(answer_of(seed if answer is None else answer)).encode(),
        Export.FILE: json.dumps(_RECORD | {"formats": _FORMATS}).encode(),
    }
    for path, content in files.items():
        (folder / path).write_bytes(content)
    (folder / Export.LINEAGE).mkdir()
    write_evaluation(folder / Export.LINEAGE, hashlib.sha256(keras).hexdigest(), 0.9)
    return write_sums(folder)


def answer_of(seed):
    """Returns what the model of a seed answers to the request."""
    share = _share(seed)
    return {"predictions": [{"label": f"seed {seed}", "probabilities": [share, 1 - share]}]}


def seed_in(folder: Path):
    """Loads a SavedModel as servers do, and returns its seed: the graph and the variables tell the same one."""
    with SavedModelSession(folder) as session:
        answer = session.run("serving_default", {"image_bytes": np.array([b"x"], object)})
    seed = int(answer["label"][0].decode().removeprefix("seed "))
    assert abs(answer["probabilities"][0, 0] - _share(seed)) < 1e-6, f"{folder} mixes two versions"
    return seed


def _share(seed):
    return 0.02 + seed * 0.03


class Published:
    """A store of such models.

    Attributes:
        store: Its path.
        registry: Its registry.
        versions: The versions by seed.
    """

    def __init__(self, store):
        self.store, self.registry = str(store), Registry(str(store), NAME)
        self.versions = {}
        for version in self.registry.versions.finished():
            answer = json.loads(Path(self.registry.versions.uri(version), Export.RESPONSE).read_text())
            self.versions[int(answer["predictions"][0]["label"].removeprefix("seed "))] = version

    def promote(self, seed):
        """Makes a version the latest, and returns it."""
        self.registry.promote(self.versions[seed])
        return self.versions[seed]

    def seed(self, version):
        """Returns the seed of a version."""
        return next(seed for seed, name in self.versions.items() if name == version)


def ask_here(folder, request, seconds):
    """Does what `ask_saved_model` does in this process."""
    with SavedModelSession(folder) as session:
        return answer_to(request, session)
