"""What the tests of serving share: the small model in service."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from served import Server

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded


@pytest.fixture(scope="session")
def base_path(chain):
    """The folder of the Export that servers take: it holds version 1."""
    return chain / "export/serving/model"


@pytest.fixture(scope="session")
def server(base_path):
    """A server of that model."""
    server = Server(base_path)
    yield server
    if server.process.poll() is None:
        server.end()


@pytest.fixture(scope="session")
def images(dataset):
    """The validation images, encoded."""
    return list(read_encoded(Dataset.load(dataset), "validation", list(range(20))))


@pytest.fixture(scope="session")
def probabilities(chain):
    """What the evaluation got for them: float64 [20, 2]."""
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet").to_pydict()
    return np.stack([rows["probability_cats"], rows["probability_dogs"]], axis=1)
