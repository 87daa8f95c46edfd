"""Runs of a real Kubeflow Pipelines in their last state, as its API tells of them, from a digest that keeps what tells of the steps.

`python tests/cluster/recorded_runs.py FOLDER` makes the digest of a folder of recordings: a line a run, and of its tasks only
those of steps, their drivers and their attempts.
"""

import json
import re
import sys
from pathlib import Path

FILE = Path(__file__).parent / "recorded" / "steps.jsonl"
NAMES = re.compile(r"((resolve|ingest|train|evaluate|gate|export|notify|exit-handler-1)(-driver)?)|executor\(\d+\)|")
RUN, TASK, STATE = (
    ("run_id", "created_at", "finished_at", "state"),
    ("display_name", "state", "start_time", "end_time"),
    (
        "state",
        "update_time",
    ),
)


def digest(path):
    """Returns what is kept of a recording."""
    run = json.loads(path.read_text())
    tasks = [task for task in run["run_details"]["task_details"] if NAMES.fullmatch(task.get("display_name", ""))]
    return {"name": path.stem.removeprefix("run-")} | {
        "run": [run[key] for key in RUN],
        "history": _states(run),
        "tasks": [[*(task.get(key, "") for key in TASK), _states(task)] for task in tasks],
    }


def recorded(name, parameters):
    """Returns a run as the API tells of it.

    Args:
        name: Which.
        parameters: The pipeline's parameters in it.
    """
    kept = next(run for run in map(json.loads, FILE.read_text().splitlines()) if run["name"] == name)
    tasks = [
        _without_gaps(TASK, task) | {"task_id": str(number), "state_history": _history(history)}
        for number, (*task, history) in enumerate(kept["tasks"])
    ]
    return _without_gaps(RUN, kept["run"]) | {
        "state_history": _history(kept["history"]),
        "runtime_config": {"parameters": parameters},
        "run_details": {"task_details": tasks},
    }


def _states(entry):
    return [[seen.get(key, "") for key in STATE] for seen in entry.get("state_history", [])]


def _history(states):
    return [_without_gaps(STATE, seen) for seen in states]


def _without_gaps(keys, values):
    return {key: value for key, value in zip(keys, values, strict=True) if value}


if __name__ == "__main__":
    runs = map(digest, sorted(Path(sys.argv[1]).glob("run-*.json")))
    FILE.write_text("".join(json.dumps(run) + "\n" for run in runs))
