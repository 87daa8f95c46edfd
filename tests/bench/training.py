"""Times training against one bare pass of the backbone: python tests/bench/training.py --source ZIP --weights H5

Everything is measured in one go on the same machine, so that the ratios say something where seconds alone would not. It takes
about an hour on two cores; `--epochs` shortens the runs of the original recipe, whose time is then scaled to 20 epochs. `--cold` ends
after the first figures, `pass_seconds`, `run_seconds` and `cold_multiple`: a minute or two.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bare import BATCH, pass_over
from pictures import multiply

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.passes import read_images
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.network.backbone import build_backbone
from graft.components.train.network.preprocessing import build_preprocessing

EPOCHS, LEAST_EPOCHS, TIMES, NEW = 20, 10, 4, 100
GRAFT = Path(sys.executable).with_name("graft")


def pass_seconds(dataset: Path, weights: Path) -> tuple[float, float, int]:
    """Returns seconds and CPU seconds of a bare pass of the cut backbone over all images, decoded beforehand, and their number."""
    tf = import_tensorflow()
    config, data = TrainConfig(), Dataset.load(dataset)
    backbone, _ = build_backbone(config, weights)
    preprocessing = build_preprocessing(config.image_size)
    images = [image for split in data.counts for image, _ in read_images(data, split, None, preprocessing)]
    batches = [tf.stack(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    forward = tf.function(lambda batch: backbone(batch, training=False), reduce_retracing=True)
    for batch in (batches[0], batches[-1]):
        forward(batch)
    start, cpu = time.monotonic(), time.process_time()
    pass_over(forward, batches)
    return time.monotonic() - start, time.process_time() - cpu, len(images)


def graft_run(source: Path | str, weights: Path, runs: Path, *options: str) -> dict[str, Any]:
    """Returns the record of `graft run`, which must come to an evaluation; the gate may fail."""
    command = [GRAFT, "run", "--json", "--source", source, "--weights", weights, "--runs", runs, *options]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode not in (0, 3):
        raise SystemExit(f"graft run {' '.join(options)} ended with {done.returncode}")
    return dict(json.loads(done.stdout))


def original(source: str, weights: Path, cut: str, epochs: int) -> dict[str, Any]:
    """Runs the original recipe in plain Keras; its seconds are those of the whole process, scaled to 20 epochs."""
    script = Path(__file__).with_name("original.py")
    command = [sys.executable, script, "--source", source, "--weights", weights, "--cut", cut, "--epochs", str(epochs)]
    start = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    result = dict(json.loads(done.stdout.splitlines()[-1]))
    result["seconds"] = time.monotonic() - start + (EPOCHS - epochs) * statistics.mean(result["epoch_seconds"])
    return result


def accuracies(run: dict[str, Any]) -> list[float]:
    """Returns a run's accuracy on the images that selected its weights, by epoch."""
    record = json.loads((Path(run["steps"]["train"]["output"]) / "training.json").read_text(encoding="utf-8"))
    return [entry["selection_accuracy"] for entry in record["history"]]


def main() -> None:
    """Prints the figures as they come and writes runs/bench/training.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--cold", action="store_true", help="end after pass_seconds, run_seconds and cold_multiple")
    arguments = parser.parse_args()
    source, weights, epochs = arguments.source, arguments.weights, arguments.epochs
    if epochs < LEAST_EPOCHS:
        parser.error(f"--epochs must be at least {LEAST_EPOCHS}: epochs 6 to 10 are compared")
    result: dict[str, Any] = {}
    output = Path("runs/bench/training.json")
    output.parent.mkdir(parents=True, exist_ok=True)

    def say(**figures: Any) -> None:
        for name, figure in figures.items():
            print(f"{name:24} {figure}", flush=True)
        result.update(figures)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        runs, photographs, crops = (Path(folder) / name for name in ("runs", "photographs", "crops"))
        cold = graft_run(source, weights, runs)
        seconds, _, images = pass_seconds(Path(cold["steps"]["ingest"]["output"]), weights)
        say(
            images=images,
            pass_seconds=round(seconds, 2),
            run_seconds=cold["total_seconds"],
            step_seconds={step: record["seconds"] for step, record in cold["steps"].items()},
            cold_multiple=round(cold["total_seconds"] / seconds, 2),
        )
        if arguments.cold:
            return
        shutil.unpack_archive(source, photographs)
        multiply(sorted(photographs.rglob("*.jpg")), photographs, crops, TIMES)
        large = graft_run(crops, weights, Path(folder) / "large")
        more = images * (TIMES - 1)
        marginal = (large["total_seconds"] - cold["total_seconds"]) / more / (seconds / images)
        say(large_seconds=large["total_seconds"], marginal_multiple=round(marginal, 2))
        for crop in sorted(crops.glob("**/train/*/*-0.jpg"))[:: max(1, images * 2 // 3 // NEW)][:NEW]:
            shutil.copy(crop, photographs / crop.relative_to(crops))
        warm = graft_run(photographs, weights, runs)
        say(warm_train_multiple=round(warm["steps"]["train"]["seconds"] / seconds, 2))
        plain = original(source, weights, "mixed7", epochs)
        last = statistics.mean(plain["accuracy"][-5:])
        say(
            original_seconds=round(plain["seconds"], 1),
            original_epochs=epochs,
            original_accuracy=plain["accuracy"],
            speedup_over_recipe=round(plain["seconds"] / cold["total_seconds"], 1),
            speedup_is_valid=cold["accuracy"] >= last,
        )
        say(accuracy={"fast": cold["accuracy"], "original, best epoch": max(plain["accuracy"])})
        recipes = {
            "accurate": ["--recipe", "accurate"],
            "accurate, 224 px": ["--recipe", "accurate", "--config", '{"train": {"image_size": 224}}'],
        }
        for name, options in recipes.items():
            result["accuracy"][name] = graft_run(source, weights, runs, *options)["accuracy"]
            say(accuracy=result["accuracy"])
        whole = original(source, weights, "mixed10", epochs)
        for recipe, yardstick in (("seed", whole), ("seed-mixed7", plain)):
            settings = json.dumps({"train": {"epochs": epochs}})
            run = graft_run(source, weights, runs, "--recipe", recipe, "--config", settings)
            result["accuracy"][recipe] = run["accuracy"]
            means = [round(statistics.mean(found[5:10]), 4) for found in (accuracies(run), yardstick["accuracy"])]
            say(**{f"{recipe}_epochs_6_to_10": {"graft": means[0], "plain Keras": means[1]}})
            say(**{f"{recipe}_seconds": run["total_seconds"], "accuracy": result["accuracy"]})
    print(f"written to {output}")


if __name__ == "__main__":
    main()
