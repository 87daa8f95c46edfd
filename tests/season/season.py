"""A season of retrainings on growing photographs, with what goes wrong in a year.

    python tests/season/season.py --source photos.zip --weights inception_v3_notop.h5 --output runs/season

The store and the photographs lie on a real GCS server (fake-gcs-server) behind a proxy that counts what is moved.
"""

import dataclasses
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).parents[1]))
from in_process import run_in_process
from proxy import Proxy
from support import gcs_server

# gcsfs reads it when it is imported: else it would first ask for the kind of a bucket over gRPC, which the server doesn't speak.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

from graft.components.common.parameters import Parameters
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history
from graft.components.common.runs.past_run import PastRun
from graft.pipelines.local.history_page import write_history
from graft.pipelines.local.running import new_run

GRAFT = Path(sys.executable).with_name("graft")
NAME = "pets"
FIRST, MORE = 360, 120
CORRUPT = round(0.05 * MORE)
OUTAGE = 20.0
# Small images and an early cut: what is played are the events. A third of the photographs is evaluated, since a hundred images can't
# tell 2 points, with 95% confidence, from nothing.
CONFIG = {
    "ingest": {"validation_fraction": 0.3},
    "train": {"image_size": 96, "cut": "mixed2", "epochs": 12},
    "gate": {"max_regression": 0.1, "min_accuracy": 0.7},
    "export": {"parity_images": 10},
}
EVENTS = {
    1: f"the first {FIRST}",
    2: f"{MORE} more",
    3: "unchanged",
    4: f"{MORE} more",
    5: f"{MORE} more; all training labels shuffled",
    6: f"labels restored; {MORE} more, 5% corrupt",
    7: f"{MORE} more; killed in mid-training, started again",
    8: f"{MORE} more, darkened and rotated; writes answered 503 for {OUTAGE:.0f} s",
    9: f"{MORE} more",
}
# This one is played by `graft run`, and so is the one that is killed; the others in this process, which imports TensorFlow once.
BY_COMMAND = 3


@dataclasses.dataclass
class Season:
    """What became of each run.

    Attributes:
        past: As `graft history` tells it.
        latest: The latest version after it.
        problems: What `graft registry verify` says after it.
        moved: Bytes read and written while it ran, by kind.
        new_bytes: Bytes of the images that are new in it.
        models: Models that were evaluated: the new one, champion and anchor.
        again: Images that went through champion or anchor; None if none was asked.
        unusable: How many files were no usable images; None if it did not look.
    """

    past: PastRun
    latest: str | None
    problems: list[str]
    moved: tuple[Counter, Counter]
    new_bytes: int
    models: int
    again: int | None
    unusable: int | None


class Photographs:
    """Photographs of an archive, uploaded as they are wanted, and a manifest of those that are in use."""

    def __init__(self, archive, bucket):
        self.fs, self.folder, self.manifest = (
            fsspec.filesystem("gs"),
            f"{bucket}/photos",
            f"{bucket}/photos/manifest.csv",
        )
        self._archive = zipfile.ZipFile(archive)
        names = sorted(name for name in self._archive.namelist() if name.endswith((".jpg", ".png")))
        random.Random(0).shuffle(names)
        self._names = iter(names)
        self.labels, self._uploaded = {}, 0

    def add(self, count, change=lambda content, number: content):
        """Uploads more photographs and returns how many bytes they have."""
        total = 0
        contents = {}
        for number in range(count):
            name = next(self._names)
            content = change(self._archive.read(name), number)
            uri = f"{self.folder}/{self._uploaded + number:05}.jpg"
            self.labels[uri] = name.split("/")[-2]
            contents[uri], total = content, total + len(content)
        self.fs.pipe(contents)
        self._uploaded += count
        return total

    def write(self, labels=None):
        """Writes the manifest."""
        rows = "".join(f"{uri},{label}\n" for uri, label in (labels or self.labels).items())
        self.fs.pipe_file(self.manifest, f"uri,label\n{rows}".encode())


def darkened_and_rotated(content, number):
    image = ImageEnhance.Brightness(Image.open(io.BytesIO(content)).convert("RGB").rotate(90, expand=True)).enhance(
        0.35
    )
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def cut_short(content, number):
    return content[: len(content) // 3] if number < CORRUPT else content


def play(archive, weights, bucket, proxy, folder, without=(), parts=0, killed=7, outage=OUTAGE):
    """Plays the season, a run at a time.

    Args:
        archive: A zip of photographs, `<class>/<file>`.
        weights: A Keras weights file.
        bucket: URI of an empty bucket, which this process and those it starts reach through the proxy.
        proxy: The proxy.
        folder: Where the runs go.
        without: The numbers of runs that are not played.
        parts: How many parts share the work of a step; 0 for none.
        killed: The number of the run that is killed in mid-training, and started again.
        outage: For how many seconds writes are refused.

    Yields:
        The run's number and what became of it.
    """
    photographs, store, config = Photographs(archive, bucket), f"{bucket}/store", json.dumps(CONFIG)
    command = [GRAFT, "run", "--source", photographs.manifest, "--weights", weights, "--store", store, "--name", NAME]
    command += ["--runs", folder, "--json", "--config", config]
    command += ["--parts", str(parts)]
    parameters = Parameters(photographs.manifest, str(weights), config=config, store=store, name=NAME)
    registry, corrupt = Registry(store, NAME), set()
    for number in sorted(EVENTS.keys() - set(without)):
        new_bytes, labels = 0, None
        # Those that were found corrupt were removed.
        photographs.labels = {uri: label for uri, label in photographs.labels.items() if uri not in corrupt}
        if number == 6:
            new_bytes = photographs.add(MORE, cut_short)
        elif number == 8:
            new_bytes = photographs.add(MORE, darkened_and_rotated)
        elif number != 3:
            new_bytes = photographs.add(FIRST if number == 1 else MORE)
        if number == 5:
            labels = shuffled(photographs.labels, store)
        photographs.write(labels)
        before = (Counter(proxy.read), Counter(proxy.written))
        if number == 8:
            proxy.refuse_writes(outage)
        if number == killed:
            kill_in_mid_training(command, bucket)
        if number == BY_COMMAND:
            subprocess.run(command, capture_output=True, text=True, check=False)
        else:
            run_in_process(*new_run(folder, store, NAME), parameters, parts)
        moved = (proxy.read - before[0], proxy.written - before[1])
        past = read_history(store, NAME)[-1]
        unusable = None if past.images is None else unusable_files(store, past.run)
        if number == 6:
            corrupt = unusable
        met, again = (set(), None) if past.accuracy is None else baselines(store, past.run)
        yield (
            number,
            Season(
                past,
                registry.latest().version,
                registry.verify(),
                moved,
                new_bytes,
                0 if past.accuracy is None else 1 + len(met),
                again,
                None if unusable is None else len(unusable),
            ),
        )


def shuffled(labels, store):
    """Returns labels of which all training images' are shuffled; new images are training images unless content says otherwise."""
    split = splits_of(labels, store)
    train = [uri for uri in labels if split[uri] == "train"]
    values = [labels[uri] for uri in train]
    random.Random(5).shuffle(values)
    return labels | dict(zip(train, values, strict=True))


def splits_of(labels, store):
    """Returns the split that each image will have, by ingesting what is there without keeping anything."""
    import tempfile

    from graft.components.common.runs.run import Run
    from graft.components.ingest.dataset.previous_dataset import latest_dataset
    from graft.components.ingest.ingest import ingest

    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(scratch) / "manifest.csv"
        manifest.write_text("uri,label\n" + "".join(f"{uri},{label}\n" for uri, label in labels.items()))
        ingest(str(manifest), Path(scratch) / "dataset", previous=latest_dataset(Run(store, NAME, "look")))
        rows = pq.read_table(Path(scratch) / "dataset/index.parquet", columns=["path", "split"]).to_pydict()
        found = dict(zip(rows["path"], rows["split"], strict=True))
    return {uri: found.get(uri, found.get(uri.removeprefix("gs://"), "train")) for uri in labels}


def kill_in_mid_training(command, bucket):
    """Starts a run and kills all of it, once the training has kept the features of the new images and goes on with the head."""
    fs, features = fsspec.filesystem("gs"), f"{bucket}/store/features"
    fs.invalidate_cache()
    before = len(fs.find(features))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None:
        fs.invalidate_cache()
        if len(fs.find(features)) > before:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.05)
    raise RuntimeError("the run ended before it could be killed")


def unusable_files(store, run):
    record = json.loads(fsspec.filesystem("gs").cat_file(f"{store}/models/{NAME}/runs/{run}/dataset.json"))
    return {f"gs://{entry['path'].removeprefix('gs://')}" for entry in record["excluded"] if "twin" not in entry}


def baselines(store, run):
    """The digests of the models that a run met beside its own, and how many images went through them."""
    record = json.loads(fsspec.filesystem("gs").cat_file(f"{store}/models/{NAME}/runs/{run}/evaluate.json"))
    outcome = record["outcome"] or {}
    met = outcome.get("comparisons", {})
    return {entry["model_digest"] for entry in met.values() if entry}, outcome.get("baselines_computed")


def megabytes(count):
    return f"{count / 1e6:,.1f}"


HEADER = (
    "run",
    "what happens",
    "images",
    "new",
    "computed",
    "source MB",
    "new MB",
    "shards written MB",
    "features written MB",
    "models evaluated",
    "champion and anchor on",
    "seconds",
    "accuracy",
    "drift",
    "outcome",
    "latest",
)


def row(number, season):
    past, (read, written) = season.past, season.moved
    cells = [
        number,
        EVENTS[number],
        past.images,
        past.new,
        past.computed,
        megabytes(read["photos"]),
        megabytes(season.new_bytes),
    ]
    cells += [
        megabytes(written["shards"]),
        megabytes(written["features"]),
        season.models,
        season.again,
        round(past.seconds),
    ]
    cells += [past.accuracy and f"{past.accuracy:.3f}", ", ".join(past.drift), past.outcome, (season.latest or "")[:12]]
    return ["–" if cell is None else str(cell) for cell in cells]


def main(*, source: Path, weights: Path, output: Path = Path("runs/season"), parts: int = 0):
    """Plays a season and shows what became of it.

    Args:
        source: A zip of at least 1,200 photographs, `…/<class>/<file>`.
        weights: A Keras weights file.
        output: Folder for runs and the page; it must not exist.
        parts: How many parts share the work of a step; 0 for none.
    """
    from rich.console import Console
    from rich.table import Table

    output.mkdir(parents=True)
    table = Table(*HEADER, box=None)
    with gcs_server() as address:
        proxy = Proxy(address)
        os.environ["STORAGE_EMULATOR_HOST"] = proxy.url
        fsspec.filesystem("gs").mkdir("season")
        for number, season in play(source, weights, "gs://season", proxy, output, parts=parts):
            table.add_row(*row(number, season))
            print(f"run {number}: {season.past.outcome}; {season.past.reason}", flush=True)
        write_history(output / "history.html", NAME, read_history("gs://season/store", NAME))
    Console(width=240).print(table)
    print(output / "history.html")


if __name__ == "__main__":
    import cyclopts

    cyclopts.run(main)
