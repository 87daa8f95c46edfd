"""The same images give the same model, however they lie in shards."""

import dataclasses
import json
import shutil
import zipfile

import numpy as np
import pytest
from support import QUICK

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.runs.run import Run
from graft.components.ingest.dataset import shards
from graft.components.ingest.ingest import ingest
from graft.components.train.train import train


@pytest.mark.slow
def test_a_model_s_weights_don_t_depend_on_how_images_lie_in_shards(dataset, tmp_path, monkeypatch):
    pictures = dataset.parent / "pictures"
    files = sorted(path for path in pictures.rglob("*") if path.is_file())
    shuffled = [files[number] for number in np.random.default_rng(0).permutation(len(files))]
    for path in shuffled[: len(files) // 2]:
        place = tmp_path / "half" / path.relative_to(pictures)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    run = Run(str(tmp_path / "store"), "model", "20260101-000000-abcd")
    ingest(str(tmp_path / "half"), tmp_path / "first", run=run)
    ingest(str(pictures), tmp_path / "increments", run=run, previous=str(tmp_path / "first"))
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in shuffled:
            archive.write(path, path.relative_to(pictures))
    init = shards.Shards.__init__
    monkeypatch.setattr(shards.Shards, "__init__", lambda self, folder, _, *rest: init(self, folder, 20_000, *rest))
    ingest(str(tmp_path / "images.zip"), tmp_path / "small shards")

    config, datasets, models = dataclasses.replace(QUICK, epochs=2, batch_size=8), set(), set()
    for name in ("increments", "small shards"):
        data = Dataset.load(tmp_path / name)
        datasets.add((data.digest, tuple(data.index("train", ["sha256"])["sha256"])))
        train(tmp_path / name, tmp_path / f"model of {name}", "random", config)
        record = json.loads((tmp_path / f"model of {name}" / "training.json").read_text())
        models.add((record["model_digest"], json.dumps(record["history"])))
    assert len(datasets) == 2 and len({digest for digest, _ in datasets}) == 1, "the same images in another order"
    assert len(models) == 1
