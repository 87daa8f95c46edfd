"""Times steps against what decoding and the bare backbone allow, on a GPU or the CPU: python tests/bench/gpu.py --source ZIP --weights H5

A pass can be no faster than the slower one of two: these cores decoding the images, and the backbone running on images that lie on the
device already. Every figure of a step is given as a ratio to that limit, too. `--small` takes sixty drawn pictures and random weights: it
shows that the script works.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pictures import multiply

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.devices import find_devices
from graft.components.common.compute.passes import read_images
from graft.components.common.compute.running import images_at_once
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.network.backbone import build_backbone, number_layers_afresh
from graft.components.train.network.preprocessing import build_preprocessing
from graft.pipelines.local.sample import draw_sample

GRAFT = Path(sys.executable).with_name("graft")
TIMES, BATCHES, UNFROZEN_EPOCHS = 8, 20, 2


def decode_rate(data: Dataset, side: int) -> float:
    """Returns how many training images a second these cores read, decode and prepare, and nothing else."""
    images = read_images(data, TRAIN, None, build_preprocessing(side)).batch(32).prefetch(2)
    for warm in images.take(1):
        del warm
    start = time.monotonic()
    count = sum(len(labels) for _, labels in images)
    return count / (time.monotonic() - start)


def bare_rate(config: TrainConfig, weights: Path | None, batches: int, *, compiles: bool) -> tuple[float, float]:
    """Returns how many images a second the cut backbone takes that lie on the device, and the seconds of the first call.

    Args:
        config: Names cut and image size.
        weights: The backbone's weights; None for random ones.
        batches: How many are timed.
        compiles: Whether XLA compiles it.
    """
    tf = import_tensorflow()
    number_layers_afresh()
    backbone, _ = build_backbone(config, weights, find_devices().precision)
    side, count = config.image_size, images_at_once(config.image_size**2)
    batch = tf.random.uniform((count, side, side, 3))
    forward = tf.function(lambda images: backbone(images, training=False), autograph=False, jit_compile=compiles)
    start = time.monotonic()
    forward(batch)[0].numpy()
    first = time.monotonic() - start
    start = time.monotonic()
    for _ in range(batches - 1):
        forward(batch)
    forward(batch)[0].numpy()
    return batches * count / (time.monotonic() - start), first


def step(*command: str | Path) -> float:
    """Returns the seconds of a command, its imports included; it must succeed."""
    start = time.monotonic()
    subprocess.run([GRAFT, *map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return round(time.monotonic() - start, 1)


def steps(folder: Path, weights: Path | str, limit: float, *settings: str) -> dict[str, Any]:
    """Trains and evaluates on a dataset that is there, and returns the figures.

    Args:
        folder: Where the dataset is, and all goes.
        weights: The backbone's weights.
        limit: Images a second.
        settings: Of `graft train`.
    """
    dataset, model, evaluation = (folder / name for name in ("dataset", "model", "evaluation"))
    train = step("train", "--dataset", dataset, "--output", model, "--weights", weights, *settings)
    evaluate = step("evaluate", "--model", model, "--dataset", dataset, "--output", evaluation)
    trained, evaluated = Model.load(model), Evaluation.load(evaluation)
    return {
        "images": sum(Dataset.load(dataset).count(split) for split in Dataset.load(dataset).counts),
        "train_seconds": train,
        "train_parts": dict(trained.seconds),
        "features_images_per_second": trained.images_per_second,
        "features_to_limit": round((trained.images_per_second or 0) / limit, 2),
        "waiting_share": trained.waiting_share,
        "evaluate_seconds": evaluate,
        "evaluate_images_per_second": evaluated.images_per_second,
        "evaluate_to_limit": round(evaluated.images_per_second / limit, 2),
        "accuracy": evaluated.metrics.accuracy,
    }


def unfrozen(folder: Path, weights: Path | str, limit: float, *settings: str) -> dict[str, Any]:
    """Trains with unfrozen layers and live augmentation on a dataset that is there, and returns images a second in these epochs."""
    model = folder / "unfrozen"
    options = ["--augmentation", "live", "--epochs", "1", "--unfreeze-epochs", str(UNFROZEN_EPOCHS), *settings]
    step("train", "--dataset", folder / "dataset", "--output", model, "--weights", weights, *options)
    trained = Model.load(model)
    rate = trained.training_images * len(trained.history) / trained.seconds["head"]
    return {"unfrozen_images_per_second": round(rate, 1), "unfrozen_to_limit": round(rate / limit, 2)}


def main() -> None:
    """Prints the figures as they come and writes runs/bench/gpu.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", help="a zip of photographs")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--small", action="store_true", help="drawn pictures and random weights")
    parser.add_argument("--output", type=Path, default=Path("runs/bench/gpu.json"))
    arguments = parser.parse_args()
    if not arguments.small and not (arguments.source and arguments.weights):
        parser.error("--source and --weights are needed, or --small")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {}

    def say(**figures: Any) -> None:
        for name, figure in figures.items():
            print(f"{name:24} {figure}", flush=True)
        result.update(figures)
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as name:
        folder, settings, weights = Path(name), [], arguments.weights or "random"
        config, layers, batches = TrainConfig(), "mixed6..mixed7", BATCHES
        if arguments.small:
            config, layers, batches = TrainConfig(cut="activation_1", image_size=75), "conv2d_1..activation_1", 2
            settings = ["--cut", config.cut, "--image-size", str(config.image_size), "--batch-size", "8"]
            draw_sample(folder / "given", images=60)
        source = folder / "given" if arguments.small else arguments.source
        found = find_devices()
        say(devices=f"{found.count} {found.kind}, {found.precision}", batch=images_at_once(config.image_size**2))
        step("ingest", "--source", source, "--output", folder / "first" / "dataset")
        decoded = decode_rate(Dataset.load(folder / "first" / "dataset"), config.image_size)
        plain, first = bare_rate(config, arguments.weights, batches, compiles=False)
        say(decode_rate=round(decoded, 1), bare_rate=round(plain, 1), first_call_seconds=round(first, 1))
        compiled, first = bare_rate(config, arguments.weights, batches, compiles=True)
        limit = min(decoded, max(plain, compiled))
        say(bare_rate_xla=round(compiled, 1), first_call_seconds_xla=round(first, 1), limit=round(limit, 1))
        say(given=steps(folder / "first", weights, limit, *settings))
        say(unfrozen=unfrozen(folder / "first", weights, limit, "--unfreeze", layers, *settings))
        if not arguments.small:
            photographs, crops = folder / "photographs", folder / "crops"
            shutil.unpack_archive(source, photographs)
            multiply(sorted(photographs.rglob("*.jpg")), photographs, crops, TIMES)
            step("ingest", "--source", crops, "--output", folder / "second" / "dataset")
            say(crops=steps(folder / "second", weights, limit))
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
