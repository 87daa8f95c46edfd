"""Runs of a real Kubeflow Pipelines in their last state, as its API tells of them: a digest that keeps what tells of their steps.

`python tests/cluster/recorded_runs.py FOLDER` makes the digest of a folder of recordings, a line a run.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).parent / "recorded" / "runs.jsonl"
RUN = ("run_id", "created_at", "finished_at", "state")
TASK = ("display_name", "state", "start_time", "end_time")
STATE = ("state", "update_time")


def digest(path):
    """Returns what is kept of a recording."""
    run = json.loads(path.read_text())
    tasks = [[*(task.get(key, "") for key in TASK), _states(task)] for task in run["run_details"]["task_details"]]
    name, kept = path.stem.removeprefix("run-"), [run[key] for key in RUN]
    return {"name": name, **keys(run), "run": kept, "history": _states(run), "tasks": tasks}


def keys(run):
    """Returns the keys of a run, and those that its tasks have, but for what differs with the installation."""
    tasks = {" ".join(sorted(set(task) - {"run_id"})) for task in run["run_details"]["task_details"]}
    return {"keys": sorted(set(run) - {"plugins_output"}), "task_keys": sorted(tasks)}


def digests():
    """Returns what is kept of each run, by its name."""
    return {run["name"]: run for run in map(json.loads, FILE.read_text().splitlines())}


def recorded(name, parameters):
    """Returns a run as the API tells of it.

    Args:
        name: Which.
        parameters: The pipeline's parameters in it.
    """
    kept = digests()[name]
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


def _without_gaps(names, values):
    return {key: value for key, value in zip(names, values, strict=True) if value}


if __name__ == "__main__":
    runs = map(digest, sorted(Path(sys.argv[1]).glob("run-*.json")))
    FILE.write_text("".join(json.dumps(run) + "\n" for run in runs))
