"""Times `graft run` against one bare pass of the backbone over the same images: python tests/bench/training.py --source … --weights …

Both are measured in one go on the same machine, so that their ratio says something where the seconds alone would not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graft.components.common.dataset import Dataset
from graft.components.common.images import read_images
from graft.components.common.tensorflow import import_tensorflow
from graft.components.train.backbone import build_backbone
from graft.components.train.config import TrainConfig
from graft.components.train.preprocessing import build_preprocessing


def pass_seconds(dataset: Path, weights: Path) -> tuple[float, int]:
    """Returns the seconds of a bare pass of the cut backbone over all images, decoded and scaled beforehand, and their number."""
    tf = import_tensorflow()
    config, data = TrainConfig(), Dataset.load(dataset)
    backbone, _ = build_backbone(config.cut, config.image_size, weights, config.seed)
    preprocessing = build_preprocessing(config.image_size)
    images = [preprocessing(image[None])[0] for split in data.record["counts"] for image, _ in read_images(data, split)]
    batches = [tf.stack(images[start : start + 32]) for start in range(0, len(images), 32)]
    forward = tf.function(lambda batch: backbone(batch, training=False), reduce_retracing=True)
    for batch in (batches[0], batches[-1]):
        forward(batch)
    start = time.monotonic()
    for batch in batches:
        forward(batch)
    return time.monotonic() - start, len(images)


def main() -> None:
    """Prints the ratio and writes runs/bench/training.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    arguments = parser.parse_args()
    graft = Path(sys.executable).with_name("graft")
    with tempfile.TemporaryDirectory() as runs:
        command = [graft, "run", "--json", "--source", arguments.source, "--weights", arguments.weights, "--runs", runs]
        run = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
        seconds, images = pass_seconds(Path(run["steps"]["ingest"]["output"]), arguments.weights)
    result = {
        "images": images,
        "accuracy": run["accuracy"],
        "pass_seconds": round(seconds, 2),
        "run_seconds": run["total_seconds"],
        "cold_multiple": round(run["total_seconds"] / seconds, 2),
        "step_seconds": {step: record["seconds"] for step, record in run["steps"].items()},
    }
    output = Path("runs/bench/training.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
