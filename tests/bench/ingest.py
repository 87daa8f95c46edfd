"""Times ingest against a bare loop over the same files: python tests/bench/ingest.py --source ZIP

The loop reads, decodes and hashes the files on all cores and does nothing else: the limit. Both are measured in one go on the
same machine, so that the ratios say something where seconds alone would not.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import imagehash
from pictures import multiply
from PIL import Image

GRAFT = Path(sys.executable).with_name("graft")
FEW, MANY = 3_000, 100_000


def check(path: str) -> str:
    """What can't be done without: the file read, its digest, its pixels, its perceptual hash."""
    content = Path(path).read_bytes()
    image = Image.open(io.BytesIO(content))
    image.load()
    return hashlib.sha256(content).hexdigest() + str(imagehash.phash(image))


def bare_loop(files: list[str]) -> float:
    """Returns the images a second of a bare loop on all cores, whose processes run already."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(check, files[: 4 * (os.cpu_count() or 1)]))
        start = time.monotonic()
        for _ in pool.map(check, files, chunksize=50):
            pass
        return len(files) / (time.monotonic() - start)


def command(source: Path, output: Path) -> tuple[float, float]:
    """Returns the seconds of the whole command `graft ingest` and its peak memory in MiB."""
    start = time.monotonic()
    process = subprocess.Popen([GRAFT, "ingest", "--source", source, "--output", output], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"graft ingest ended with {process.returncode}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Prints the figures as they come and writes runs/bench/ingest.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--images", type=int, default=MANY)
    arguments = parser.parse_args()
    result: dict[str, float] = {}
    output = Path("runs/bench/ingest.json")
    output.parent.mkdir(parents=True, exist_ok=True)

    def say(**figures: float) -> None:
        for name, figure in figures.items():
            print(f"{name:24} {figure}", flush=True)
        result.update(figures)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    def measure(source: Path, files: list[str]) -> float:
        os.sync()  # what was written before shall not be written while the time runs
        seconds, peak = command(source, source.with_name(f"{source.name}-dataset"))
        limit = bare_loop(files)
        name, count = ("3000" if len(files) <= FEW else "100000"), len(files)
        say(
            **{
                f"images_{name}": count,
                f"seconds_{name}": round(seconds, 2),
                f"images_per_second_{name}": round(count / seconds, 1),
                f"bare_loop_{name}": round(limit, 1),
                f"ratio_{name}": round(count / seconds / limit, 3),
                f"peak_memory_{name}": round(peak, 1),
            }
        )
        return peak

    with tempfile.TemporaryDirectory() as folder:
        photographs, many = Path(folder) / "photographs", Path(folder) / "many"
        shutil.unpack_archive(arguments.source, photographs)
        originals = sorted(photographs.rglob("*.jpg"))
        few_peak = measure(photographs, list(map(str, originals)))
        times = -(-arguments.images // len(originals))
        multiply(originals, photographs, many / "train", times, distinct=True)
        for crop in sorted((many / "train").rglob("*.jpg"))[arguments.images :]:
            crop.unlink()
        many_peak = measure(many, sorted(map(str, many.rglob("*.jpg"))))
        say(peak_memory_ratio=round(many_peak / few_peak, 3))
    print(f"written to {output}")


if __name__ == "__main__":
    main()
