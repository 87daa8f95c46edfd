"""Flips labels of training images, and asks which of them evaluate lists, and what corrections bring back.

python tests/bench/labels.py --source ZIP --weights H5 --seeds 3

The archive holds a folder a split and a class, as the photographs do. For each seed 5% of the training images are moved to the folder of
the next class. A head is trained by the recipe fast and evaluated. Precision, recall and F1 are those of the training images that
`labels.csv` lists. Then every image on the list gets the label that the archive gave it, as by `graft labels`, and the run is repeated with
these corrections. Prints JSON. Each image passes through the backbone once for all trainings; each evaluation runs its model.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import random
import shutil
import tempfile
import zipfile
from pathlib import Path

from graft.components.common.artifacts.dataset import TRAIN
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.lists.labels_list import KEEP, ListedLabel, read_labels, write_labels
from graft.components.common.runs.run import Run
from graft.components.evaluate.evaluate import evaluate
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.train.config import TrainConfig
from graft.components.train.train import train

FLIPPED = 0.05


def judge(
    source: Path, weights: str, folder: Path, name: str, corrections: str = ""
) -> tuple[float, list[ListedLabel]]:
    """Returns the accuracy of a run on the evaluated images, and the labels that it lists."""
    dataset, model, evaluation = (folder / name / step for step in ("dataset", "model", "evaluation"))
    store = str(folder / "store")
    ingest(str(source), dataset, IngestConfig(corrections=corrections))
    train(dataset, model, weights, TrainConfig(), store)
    result = evaluate(model, dataset, evaluation, run=Run(store, "labels", name))
    with (evaluation / Evaluation.LABELS).open("rb") as file:
        return result.metrics.accuracy, list(read_labels(file, name))


def flip(clean: Path, flipped: Path, seed: int) -> dict[str, str]:
    """Makes a copy of a source with some labels wrong, and returns the right ones by digest."""
    shutil.copytree(clean, flipped, copy_function=os.link)
    (training,) = flipped.rglob(TRAIN)
    classes = sorted(path.name for path in training.iterdir() if path.is_dir())
    images = sorted(path for name in classes for path in (training / name).iterdir())
    right = {}
    for image in random.Random(seed).sample(images, round(FLIPPED * len(images))):
        wrong = classes[(classes.index(image.parent.name) + 1) % len(classes)]
        right[hashlib.sha256(image.read_bytes()).hexdigest()] = image.parent.name
        image.rename(training / wrong / f"flipped-{image.name}")
    return right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, clean = Path(scratch), Path(scratch) / "clean"
        with zipfile.ZipFile(given.source) as archive:
            archive.extractall(clean)
        accuracy, _ = judge(clean, given.weights, folder, "as-it-is")
        found = []
        for seed in range(given.seeds):
            source = folder / f"source-{seed}"
            right = flip(clean, source, seed)
            of_flipped, listed = judge(source, given.weights, folder, f"flipped-{seed}")
            suspected = {row.sha256 for row in listed if row.split == TRAIN}
            hits = len(suspected & right.keys())
            said = [dataclasses.replace(row, correction=right.get(row.sha256, KEEP)) for row in listed]
            write_labels(folder / f"{seed}.csv", said)
            corrected, _ = judge(source, given.weights, folder, f"corrected-{seed}", str(folder / f"{seed}.csv"))
            found.append(
                {
                    "seed": seed,
                    "flipped": len(right),
                    "listed": len(suspected),
                    "precision": round(hits / max(len(suspected), 1), 4),
                    "recall": round(hits / len(right), 4),
                    "f1": round(2 * hits / (len(suspected) + len(right)), 4),
                    "accuracy_flipped": of_flipped,
                    "accuracy_corrected": corrected,
                }
            )
        print(json.dumps({"accuracy": accuracy, "seeds": found}, indent=2))


if __name__ == "__main__":
    main()
