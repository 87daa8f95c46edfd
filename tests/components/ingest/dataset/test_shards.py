"""Images whose shards lie in a bucket."""

import io

import numpy as np
from PIL import Image

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.runs.run import Run
from graft.components.ingest.ingest import ingest
from graft.pipelines.local.sample import draw_sample


def test_they_are_read_by_number_and_downloaded_once(tmp_path, any_bucket, monkeypatch):
    draw_sample(tmp_path / "pictures", images=60)
    ingest(str(tmp_path / "pictures"), tmp_path / "dataset", run=Run(f"{any_bucket}/store", "pets", "run-1"))
    ingest(str(tmp_path / "pictures"), tmp_path / "local")
    fetched, fetch = [], storage.fetch
    monkeypatch.setattr(storage, "fetch", lambda uri, *rest, **more: fetched.append(uri) or fetch(uri, *rest, **more))
    remote, local = (Dataset.load(tmp_path / name) for name in ("dataset", "local"))
    rows = [0, 3, 17]
    for _ in range(2):
        for mine, reference in zip(
            read_encoded(remote, "validation", rows), read_encoded(local, "validation", rows), strict=True
        ):
            one, other = (np.asarray(Image.open(io.BytesIO(content))) for content in (mine, reference))
            assert (one == other).all()
    assert len(fetched) == len(set(fetched))  # none at all if another store had the same content before
