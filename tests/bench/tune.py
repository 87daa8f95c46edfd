"""Times a search of settings against one bare pass of the backbone: python tests/bench/tune.py --source ZIP --weights H5

The search has the features of the training images in its store, as after a first one. `trials_seconds` are those of 50 trials,
`tune_seconds` those of the whole command, with imports and building the network. CPU seconds say something on a machine that does other
things, too.

Then it is asked what a search gains: heads are trained as `graft train` trains them, by the recipe fast and by the one that a search with
the same seed found, and judged on the validation images, which no search has seen. `--quick` leaves that out.
"""

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from training import pass_seconds

from graft.components.common.artifacts.dataset import VALIDATION, Dataset
from graft.components.common.compute.passes import Pace
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import Needed, views_of
from graft.components.train.features.extraction import compute_features
from graft.components.train.features.pieces import columns_of
from graft.components.train.features.training_set import collect_training_set
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.event_logs import EventLogs
from graft.components.train.fit.head_training import train_head
from graft.components.train.network.assembly import build_network
from graft.components.train.recipes import read_recipe, train_config
from graft.components.train.tune.search_space import SearchConfig, cuts_of, layers_of

GRAFT = Path(sys.executable).with_name("graft")


def graft(*words: Any) -> tuple[str, float, float]:
    """Runs a command, and returns what it printed, its seconds, and its CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [GRAFT, *map(str, words)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def judge(dataset: Path, weights: Path, store: str, folder: Path) -> Callable[[TrainConfig], float]:
    """Returns a function that trains a head by some settings, and returns its accuracy on the validation images."""
    data, wide = Dataset.load(dataset), TrainConfig()
    wide = dataclasses.replace(wide, cut="+".join(layers_of(wide, SearchConfig(cuts=cuts_of(wide.backbone)))))
    network = build_network(wide, weights)
    training = collect_training_set(data, network, wide, store)
    index = data.index(VALIDATION, ["sha256", "label"])
    labels = np.array([data.classes.index(label) for label in index["label"]])
    features = np.zeros((len(labels), training.vectors.shape[2]), np.float16)

    def put(view: int, columns: slice, rows: Any, found: Any) -> None:
        features[rows, columns] = found

    needed = Needed(VALIDATION, index["sha256"], np.arange(len(labels)), views_of(wide))
    compute_features(data, needed, put, network, wide, store, Pace())

    def accuracy(config: TrainConfig) -> float:
        columns = np.concatenate([np.r_[columns_of(wide, network)[layer]] for layer in config.cut.split("+")])
        chosen = {name: getattr(training, name)[..., columns] for name in ("vectors", "selection_vectors")}
        with EventLogs(folder, "") as events:
            trained = train_head(
                data, network, dataclasses.replace(training, **chosen), config, Checkpoints("", {}), events
            )
        found = trained.head.predict(features[:, columns].astype(np.float32), verbose=0)
        return float(((found[:, 0] > 0.5) == labels).mean())

    return accuracy


def main() -> None:
    """Prints the figures as they come and writes runs/bench/tune.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="end after the seconds")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    output = Path("runs/bench/tune.json")
    output.parent.mkdir(parents=True, exist_ok=True)

    def say(**figures: Any) -> None:
        for name, figure in figures.items():
            print(f"{name:24} {figure}", flush=True)
        result.update(figures)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset, store, recipe = folder / "dataset", str(folder / "store"), folder / "tuned.yaml"
        graft("ingest", "--source", arguments.source, "--output", dataset)
        given = ("--dataset", dataset, "--weights", arguments.weights, "--store", store, "--json")
        _, seconds, cpu = graft("tune", "--output", recipe, "--trials", 1, *given)
        say(features_seconds=round(seconds, 1), features_cpu_seconds=round(cpu, 1))
        told, seconds, cpu = graft("tune", "--output", recipe, *given)
        trials = json.loads(told)["seconds"]
        say(tune_seconds=round(seconds, 2), tune_cpu_seconds=round(cpu, 2), trials_seconds=trials)
        bare, bare_cpu, images = pass_seconds(dataset, arguments.weights)
        say(images=images, pass_seconds=round(bare, 2), pass_cpu_seconds=round(bare_cpu, 2))
        say(trials_multiple=round(trials / bare, 2), tune_multiple=round(seconds / bare, 2))
        say(tune_cpu_multiple=round(cpu / bare_cpu, 2))
        if arguments.quick:
            return
        accuracy = judge(dataset, arguments.weights, store, folder / "events")
        fast, tuned = [], []
        for seed in range(arguments.seeds):
            graft("tune", "--output", recipe, "--seed", seed, *given)
            found = read_recipe(str(recipe))
            fast.append(round(accuracy(train_config("fast", "", {"seed": seed})), 4))
            tuned.append(round(accuracy(train_config(found, "", {"seed": seed})), 4))
            say(recipes=[*result.get("recipes", []), json.loads(found)], fast=fast, tuned=tuned)
        gains = [after - before for before, after in zip(fast, tuned, strict=True)]
        say(gain=round(statistics.mean(gains), 4), gain_deviation=round(statistics.stdev(gains), 4))
    print(f"written to {output}")


if __name__ == "__main__":
    main()
