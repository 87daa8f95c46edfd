"""The commands that make an evaluation again, from its records."""

import shlex
from collections.abc import Mapping

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.record import Setting


def commands(evaluation: Evaluation, training: Model, dataset: Dataset) -> list[str]:
    """Returns the commands, one a step, with every setting that is known: defaults may change."""
    ingest = {"source": dataset.source, "output": "dataset", **dataset.settings}
    train = {"dataset": "dataset", "output": "model", "weights": training.weights, **training.config}
    evaluate = {"model": "model", "dataset": "dataset", "output": "evaluation", **evaluation.settings}
    return [
        _command("ingest", ingest),
        _command("train", train),
        _command("evaluate", evaluate | {"split": evaluation.split}),
    ]


def _command(step: str, options: Mapping[str, Setting]) -> str:
    words = [f"graft {step}"]
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value not in ("", None):
            values = value if isinstance(value, tuple) else [value]
            words += [f"--{option} {shlex.quote(str(one))}" for one in values]
    return " ".join(words)
