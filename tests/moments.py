"""Steps that get SIGTERM at random moments, and what they leave. `make moments` sends it a hundred times.

Each is a fork of this process, which has imported everything: a step that takes seconds to import is mostly ended while it imports.
"""

import argparse
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from graft.components.common.artifacts.checksums import SUMS
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.model import Model
from graft.pipelines.cli.app import main
from graft.pipelines.local.sample import draw_sample

MOST_SECONDS = 10
FINISHED = {"ingest": Dataset.FILE, "train": Model.FILE, "evaluate": Evaluation.FILE, "export": SUMS}
OPTIONS = {
    "ingest": "--source pictures",
    "train": "--dataset ready/ingest --weights random --cut mixed0 --image-size 75 --epochs 4 --batch-size 16",
    "evaluate": "--model ready/train --dataset ready/ingest",
    "gate": "--evaluation ready/evaluate --min-accuracy 0.01",
    "export": "--model ready/train --dataset ready/ingest --evaluation ready/evaluate --decision ready/gate --parity-images 8",
}


def main_of_moments():
    """Plays as many trials as asked for, and prints a line about each and JSON of all."""
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=60)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("trials", nargs="+", help="such as ingest=20")
    given = options.parse_args()
    wanted = {step: int(times) for step, times in (trial.split("=") for trial in given.trials)}
    if set(wanted) != {"ingest"}:
        import_everything()
    gc.collect()
    gc.freeze()  # or each fork would go through all of it when it ends
    chance = random.Random(given.seed)
    folder = tempfile.mkdtemp(prefix="moments-")  # no context: the forks leave it, too
    os.chdir(folder)
    draw_sample(Path("pictures"), given.images)
    seconds = {}
    for step in list(OPTIONS)[: 1 + max(map(list(OPTIONS).index, wanted))]:  # what the later ones need
        began = time.monotonic()
        code = finish(start(step, f"ready/{step}", "ready", "store-ready"))
        seconds[step] = time.monotonic() - began
        assert code == 0, Path("ready.log").read_text()
    ends, slowest = Counter(), 0.0
    for step, times in wanted.items():
        for number in range(times):
            ended = None
            while ended is None:  # until one isn't over before
                moment, run_id = chance.uniform(0, seconds[step]), f"{step}-{number}"
                shutil.rmtree(f"out/{run_id}", ignore_errors=True)
                began = time.monotonic()
                ended, took = trial(step, run_id, moment, chance.random() < 0.3)
                seconds[step] = seconds[step] if ended else time.monotonic() - began
            ends[ended] += 1
            slowest = max(slowest, took)
            print(f"{step} at {moment:.2f} of {seconds[step]:.2f} s: {ended}, {took:.2f} s later", file=sys.stderr)
        # What was left in a store doesn't disturb the next attempt.
        code = finish(start(step, f"after/{step}", "after", f"store-{step}-{times - 1}"))
        assert code == 0, Path("after.log").read_text()
    print(json.dumps({"ends": ends, "slowest_seconds": round(slowest, 2)}))
    shutil.rmtree(folder)


def import_everything():
    """Imports what the steps import when they run."""
    from graft.components.common.compute.tensorflow import import_tensorflow

    import_tensorflow()


def start(step, output, run_id, store):
    """Starts a step in a process of its own, and returns its number."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    # Here the step is all there is, as if it had been started by itself.
    log = os.open(f"{run_id}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    Path(f"tmp-{run_id}").mkdir(exist_ok=True)
    tempfile.tempdir = str(Path(f"tmp-{run_id}").absolute())
    os.environ["TMPDIR"] = tempfile.tempdir
    sys.argv = ["graft", step, *OPTIONS[step].split(), "--output", output, "--run-id", run_id, "--store", store]
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    sys.exit(code)


def finish(pid):
    """Waits for a step to end and returns its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def trial(step, run_id, moment, twice):
    """Sends SIGTERM to a step and checks what it leaves.

    Returns how it ended, and in how many seconds; None for one that was over before.
    """
    store = Path(f"store-{run_id}")
    pid = start(step, f"out/{run_id}", run_id, str(store))
    deadline = time.monotonic() + moment
    while time.monotonic() < deadline:
        time.sleep(0.01)
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            assert finish(pid) == 0, Path(f"{run_id}.log").read_text()
            return None, 0
    os.kill(pid, signal.SIGTERM)
    began = time.monotonic()
    if twice:
        time.sleep(0.1)
        os.kill(pid, signal.SIGTERM)
    code = finish(pid)
    took = time.monotonic() - began
    said, output, temporary = Path(f"{run_id}.log").read_text(), Path("out", run_id), Path(f"tmp-{run_id}")
    kept = store / "models/model/runs" / run_id / f"{step}.json"
    status = json.loads(kept.read_text())["status"] if kept.exists() else "none"
    where = f"{run_id} at {moment:.3f} s: {said}"
    assert took < MOST_SECONDS, where
    assert said.count("Traceback") == said.count("Exception ignored in"), where  # of an interrupted destructor
    # TensorFlow leaves the first when nothing disturbs it, too, and the second where it is killed, as in export's process that serves.
    tolerated = ("__pycache__", "__autograph_generated") if step == "export" else ("__pycache__",)
    left = [path for path in temporary.glob("*") if not path.name.startswith(tolerated)]
    assert not left, (where, left)
    assert code in (0, 130, -signal.SIGTERM), (code, where)  # the last before Graft runs, and once all is done
    assert not output.exists() or any((output / mark).is_file() for mark in (FINISHED[step], ".unfinished")), where
    assert not list(store.rglob("*.part")), where
    if code == 130:
        assert status in ("cancelled", "none"), (status, where)
    return f"{code} {status}", took


if __name__ == "__main__":
    main_of_moments()
