"""Times the server against a bare loop of the same session: python tests/bench/serving.py --source ZIP --export EXPORT

The loop runs the SavedModel in one thread of a process that does nothing else, with one photograph a call and with eight. The server
is a process of its own, and so is what asks it: 1, 8 and 32 clients, each of which sends its next photograph when it has the answer to
the one before. All are measured in one go on the same machine, in turns, so that the ratios say something where seconds alone would
not.
"""

import argparse
import asyncio
import base64
import dataclasses
import functools
import itertools
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import aiohttp
import numpy as np

from graft.components.common.artifacts.export import Export
from graft.components.common.serving.session import SavedModelSession

PHOTOGRAPHS, ROUNDS, SECONDS = 64, 3, 8.0
CALLS, CLIENTS = (1, 8), (1, 8, 32)


@dataclasses.dataclass(frozen=True)
class Figures:
    """How much is done, and how long one call or request takes."""

    images_per_second: float
    median_ms: float
    p95_ms: float


def photographs(archive: str) -> list[bytes]:
    """Returns some photographs of an archive, encoded."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".jpg"))
        return [opened.read(name) for name in names[:: len(names) // PHOTOGRAPHS][:PHOTOGRAPHS]]


def bare_loop(saved_model: Path, images: list[bytes], at_once: int) -> Figures:
    """Returns the images a second of a session that runs in one thread, so many a call, and its milliseconds a call."""
    with SavedModelSession(saved_model) as session:
        batches = []
        for start in range(0, len(images), at_once):
            batch = np.empty(at_once, object)
            batch[:] = images[start : start + at_once]
            batches.append(batch)
        taken: list[float] = []
        for number, batch in enumerate(itertools.cycle(batches)):
            begun = time.monotonic()
            session.run("serving_default", {"image_bytes": batch})
            if number >= len(batches):  # the first ones are slower
                taken.append(time.monotonic() - begun)
            if sum(taken) > SECONDS:
                return figures(taken, at_once * len(taken) / sum(taken))
    raise AssertionError


async def ask(url: str, images: list[bytes], clients: int) -> Figures:
    """Returns the images a second that a server answers to so many clients, and the milliseconds that each answer takes."""
    bodies = [
        json.dumps({"instances": [{"image_bytes": {"b64": base64.b64encode(image).decode()}}]}).encode()
        for image in images
    ]
    taken: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(number: int, until: float) -> None:
            for body in itertools.islice(itertools.cycle(bodies), number, None):
                begun = time.monotonic()
                if begun >= until:
                    return
                async with session.post(url, data=body) as answer:
                    if answer.status != 200:
                        raise SystemExit(await answer.text())
                    await answer.read()
                taken.append(time.monotonic() - begun)

        async def clients_until(seconds: float) -> float:
            begun = time.monotonic()
            await asyncio.gather(*(client(number, begun + seconds) for number in range(clients)))
            return time.monotonic() - begun

        await clients_until(SECONDS / 4)  # the first ones are slower
        taken.clear()
        seconds = await clients_until(SECONDS)
    return figures(taken, len(taken) / seconds)


def figures(taken: list[float], images_per_second: float) -> Figures:
    """Returns what is told of a measurement."""
    return Figures(images_per_second, 1000 * statistics.median(taken), 1000 * float(np.quantile(taken, 0.95)))


def alone(work: Callable[..., Figures], *arguments: object) -> Figures:
    """Has a function measure in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def ask_server(base_path: Path, images: list[bytes], clients: int) -> Figures:
    """Measures a server, which is started for that, from this process."""
    module = "graft.components.common.serving.server"
    command = [sys.executable, "-m", module, str(base_path), "--name", "model", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None or not (ready := server.stdout.readline()):
            raise SystemExit("The server does not start.")
        try:
            url = ready.strip().rpartition(" ")[2]
            return asyncio.run(ask(f"{url}/v1/models/model:predict", images, clients))
        finally:
            server.terminate()


def main() -> None:
    """Prints the table and writes runs/bench/serving.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--export", type=Path, required=True)
    arguments = parser.parse_args()
    base_path = arguments.export / Export.load(arguments.export).base_path
    images = photographs(arguments.source)
    (saved_model,) = base_path.iterdir()
    works: dict[str, Callable[[], Figures]] = {}
    for calls in CALLS:
        works[f"loop, {calls} a call"] = functools.partial(alone, bare_loop, saved_model, images, calls)
    for clients in CLIENTS:
        works[f"server, {clients} clients"] = functools.partial(alone, ask_server, base_path, images, clients)
    measured: dict[str, list[Figures]] = {name: [] for name in works}
    for _ in range(ROUNDS):  # a machine is slow for a while at times
        for name, work in works.items():
            measured[name].append(work())
    print(f"{'median of the rounds':20} images/s  ratio  median ms  p95 ms")
    for name, rounds in measured.items():
        ratios = [
            found.images_per_second
            / max(measured[f"loop, {calls} a call"][number].images_per_second for calls in CALLS)
            for number, found in enumerate(rounds)
        ]
        speed, typical, slow = (
            statistics.median(values) for values in zip(*map(dataclasses.astuple, rounds), strict=True)
        )
        print(f"{name:20} {speed:8.1f} {statistics.median(ratios):6.2f} {typical:10.1f} {slow:7.1f}")
    output = Path("runs/bench/serving.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    every = {name: [dataclasses.asdict(found) for found in rounds] for name, rounds in measured.items()}
    output.write_text(json.dumps(every, indent=2) + "\n", encoding="utf-8")
    print(f"written to {output}")


if __name__ == "__main__":
    main()
