"""The SavedModel is loaded as TensorFlow Serving loads it: as a session, which restores only the variables that the checkpoint tracks."""

import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import ROOT

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded

pytestmark = pytest.mark.slow

LIBRARY = Path(find_spec("tensorflow").origin).with_name("libtensorflow_cc.so.2")


def run(saved_model, images):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    (graph,) = SavedModel.FromString((saved_model / "saved_model.pb").read_bytes()).meta_graphs
    signature = graph.signature_def["serving_default"]
    names = [signature.inputs["image_bytes"].name, signature.outputs["probabilities"].name]
    command = [sys.executable, "-I", ROOT / "tests" / "session_loader.py", LIBRARY, saved_model, *names]
    return subprocess.run(command, input=pickle.dumps(images), capture_output=True, check=False)


def test_a_session_gives_what_evaluate_got(chain, dataset):
    images = list(read_encoded(Dataset.load(dataset), "validation", list(range(20))))
    done = run(chain / "export" / "saved_model", images)
    assert done.returncode == 0, done.stderr.decode()
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet").to_pydict()
    expected = np.stack([rows["probability_cats"], rows["probability_dogs"]], axis=1)
    assert np.abs(np.array(pickle.loads(done.stdout)) - expected).max() < 1e-6


def test_a_request_that_can_t_be_answered_is_an_error_with_its_reason(chain):
    done = run(chain / "export" / "saved_model", [b"no image"])
    assert done.returncode == 1
    assert "Unknown image file format" in done.stderr.decode()
