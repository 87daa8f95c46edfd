"""The commands that make an evaluation again, from its records."""

import shlex
from collections.abc import Mapping
from typing import Any


def commands(evaluation: Mapping[str, Any], training: Mapping[str, Any], dataset: Mapping[str, Any]) -> list[str]:
    """Returns the commands, one a step, with every setting that is known: defaults may change.

    Args:
        evaluation: The content of `evaluation.json`.
        training: The content of `training.json`.
        dataset: The content of `dataset.json`.
    """
    source, weights = dataset.get("source") or "SOURCE", training.get("weights") or "WEIGHTS"
    train = {"dataset": "dataset", "output": "model", "weights": weights} | dict(training.get("config") or {})
    evaluate = {"model": "model", "dataset": "dataset", "output": "evaluation"}
    return [
        _command("ingest", {"source": source, "output": "dataset"} | dict(dataset.get("settings") or {})),
        _command("train", train),
        _command("evaluate", evaluate | dict(evaluation.get("settings") or {}) | {"split": evaluation["split"]}),
    ]


def _command(step: str, options: Mapping[str, Any]) -> str:
    words = [f"graft {step}"]
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value not in ("", None):
            values = value if isinstance(value, (list, tuple)) else [value]
            words += [f"--{option} {shlex.quote(str(one))}" for one in values]
    return " ".join(words)
