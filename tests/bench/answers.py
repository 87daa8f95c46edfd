"""Times what answers a question, against `import tensorflow`: python tests/bench/answers.py --source ZIP --export EXPORT

Every command is a process of its own, from its start to its end. In each round all of them run once after another, so that the ratios
of a round say something where seconds alone would not. The first round, by which the disk is warm, does not count.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROUNDS, FEW, MANY = 5, 10, 600
GRAFT = str(Path(sys.executable).with_name("graft"))
IMPORT = "import tensorflow"
HELP, PREDICT = "graft --help", f"graft predict, {FEW} images"
CEILINGS = {HELP: "at most 0.5 s", PREDICT: "at most 2.0 imports"}


def seconds_of(command: list[str], folder: Path) -> tuple[float, float]:
    """Returns the seconds that a command takes, and the CPU seconds of all its threads and children."""
    before, begun = os.times(), time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - begun, cpu


def write_photographs(archive: str, folder: Path, count: int) -> None:
    """Writes so many photographs of an archive into a new folder."""
    folder.mkdir()
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".jpg"))
        for number, name in enumerate(names[:: len(names) // count][:count]):
            (folder / f"{number}.jpg").write_bytes(opened.read(name))


def main() -> None:
    """Prints the table and writes runs/bench/answers.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--export", type=Path, required=True)
    arguments = parser.parse_args()
    model = str(arguments.export.absolute())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for count in (FEW, MANY):
            write_photographs(arguments.source, folder / str(count), count)
        evaluation, store = f"{model}/lineage", ["--store", "store"]
        subprocess.run(
            [GRAFT, "registry", "publish", "model", model, *store], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        gate = [GRAFT, "gate", "--evaluation", evaluation, "--output", "decision", "--min-accuracy", "0.01"]
        (folder / "images.json").write_text('{"cpu": "graft:cpu", "gpu": "graft:gpu"}', encoding="utf-8")
        commands = {
            IMPORT: [sys.executable, "-c", "import tensorflow"],
            HELP: [GRAFT, "--help"],
            "graft registry list": [GRAFT, "registry", "list", "model", *store],
            "graft gate": [*gate, *store, "--run-id", "bench"],
            "graft history": [GRAFT, "history", "model", *store],
            "graft compile": [GRAFT, "compile", "--target", "kubeflow", "--allow-tag", "--output", "pipeline.yaml"],
            PREDICT: [GRAFT, "predict", model, str(FEW)],
            f"graft predict, {MANY} images": [GRAFT, "predict", model, str(MANY)],
        }
        rounds: list[dict[str, tuple[float, float]]] = []
        for _ in range(ROUNDS + 1):
            rounds.append({name: seconds_of(command, folder) for name, command in commands.items()})
            shutil.rmtree(folder / "decision")
    print(f"{'median of the rounds':28} seconds  imports  CPU s")
    for name in commands:
        seconds, cpu = (statistics.median(values) for values in zip(*(each[name] for each in rounds[1:]), strict=True))
        ratio = statistics.median(each[name][0] / each[IMPORT][0] for each in rounds[1:])
        print(f"{name:28} {seconds:7.2f} {ratio:8.2f} {cpu:6.2f}  {CEILINGS.get(name, '')}".rstrip())
    output = Path("runs/bench/answers.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(rounds[1:], indent=2) + "\n", encoding="utf-8")
    print(f"written to {output}")


if __name__ == "__main__":
    main()
