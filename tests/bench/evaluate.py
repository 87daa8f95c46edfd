"""Times evaluate against a bare pass of the model: python tests/bench/evaluate.py --source ZIP --weights H5

The pass runs the trained network over the validation images, decoded and scaled beforehand. Everything is measured in one go on
the same machine, so that the ratios say something where seconds alone would not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bare import BATCH, pass_over

from graft.components.common.artifacts.dataset import VALIDATION, Dataset
from graft.components.common.compute.keras_models import NETWORK, PREPROCESSING, load_model
from graft.components.common.compute.passes import read_images
from graft.components.common.compute.predictions import predict
from graft.components.common.compute.tensorflow import import_tensorflow

GRAFT = Path(sys.executable).with_name("graft")
TIMES = 3
# The same command whose report is an empty file.
WITHOUT_REPORT = """
from graft.components.evaluate import evaluate
evaluate.write_report = lambda path, *_: path.touch()
from graft.pipelines.cli.app import main
main()
"""


def run(*command: str | Path) -> None:
    """Runs a command, which must succeed."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def best_of(*works: Callable[[int], object]) -> list[float]:
    """Returns how long some things take, in turns, the least of a few times each: a machine is slow for a while at times."""
    seconds = [[0.0] * TIMES for _ in works]
    for number in range(TIMES):
        for work, taken in zip(works, seconds, strict=True):
            start = time.monotonic()
            work(number)
            taken[number] = time.monotonic() - start
    return list(map(min, seconds))


def bare_pass(model: Any, data: Dataset) -> Any:
    """Returns what runs the model's network over all validation images, which are in memory as the network takes them."""
    tf = import_tensorflow()
    preprocessing, network = model.get_layer(PREPROCESSING), model.get_layer(NETWORK)
    images = [image for image, _ in read_images(data, VALIDATION, None, preprocessing)]
    batches = [tf.stack(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    forward = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True)
    for batch in (batches[0], batches[-1]):
        forward(batch)
    return lambda: pass_over(forward, batches)


def main() -> None:
    """Prints the figures and writes runs/bench/evaluate.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--weights", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset, model = Path(folder) / "dataset", Path(folder) / "model"
        run(GRAFT, "ingest", "--source", arguments.source, "--output", dataset)
        run(GRAFT, "train", "--dataset", dataset, "--output", model, "--weights", arguments.weights, "--epochs", "3")
        options = ["evaluate", "--model", str(model), "--dataset", str(dataset), "--output"]
        data, loaded = Dataset.load(dataset), load_model(model)
        passes = bare_pass(loaded, data)
        bare, predicting, step, whole = best_of(
            lambda _: passes(),
            # Every prediction compiles anew what a step, which predicts once, has to compile.
            lambda _: predict(loaded, data, VALIDATION, "evaluating images"),
            lambda number: run(sys.executable, "-c", WITHOUT_REPORT, *options, f"{folder}/without-{number}"),
            lambda number: run(GRAFT, *options, f"{folder}/evaluation-{number}"),
        )
        size = (Path(folder) / "evaluation-0" / "report.html").stat().st_size
    result = {
        "images": data.count(VALIDATION),
        "pass_seconds": round(bare, 2),
        "predict_seconds": round(predicting, 2),
        "step_seconds": round(step, 2),
        "evaluate_multiple": round(predicting / bare, 2),
        "step_multiple": round(step / bare, 2),
        "report_seconds": round(whole - step, 2),
        "report_megabytes": round(size / 1e6, 2),
    }
    for name, figure in result.items():
        print(f"{name:24} {figure}")
    output = Path("runs/bench/evaluate.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {output}")


if __name__ == "__main__":
    main()
