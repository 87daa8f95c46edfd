"""What the suites of other servers share."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded


@pytest.fixture(scope="session")
def images(dataset):
    """The evaluated images, encoded."""
    return list(read_encoded(Dataset.load(dataset), "validation", list(range(20))))


@pytest.fixture(scope="session")
def expected(chain):
    """The probabilities that the evaluation got for them."""
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet").to_pydict()
    return np.stack([rows["probability_cats"], rows["probability_dogs"]], axis=1)
