"""A small dataset of drawn pictures."""

import pytest

from graft.components.ingest.ingest import ingest
from graft.pipelines.sample import draw_sample


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A Dataset of 40 training and 20 validation images; the pictures lie beside it."""
    folder = tmp_path_factory.mktemp("small")
    draw_sample(folder / "pictures", images=60)
    ingest(str(folder / "pictures"), folder / "dataset")
    return folder / "dataset"
