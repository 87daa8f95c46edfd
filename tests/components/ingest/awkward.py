"""A source in which everything happens that makes one hard to share out, and how its parts and its step are run."""

import csv
import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from kinds import CONVERTED, KEPT
from pictures import encoded, record
from PIL import Image

from graft.components.common.artifacts.lists.labels_list import ListedLabel, write_labels
from graft.components.common.runs.part_record import recorded_part
from graft.components.common.runs.parts import PartNumber
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.previous_dataset import latest_dataset
from graft.components.ingest.ingest import ingest
from graft.components.ingest.kept.row_file import rows_folder
from graft.components.ingest.parts.part import ingest_part
from graft.components.ingest.parts.plan import plan_ingest

CONFIG = IngestConfig(validation_fraction=0.3, max_bad_fraction=0.5, shard_mebibytes=1)
LARGE = 120


def scene(seed):
    """A picture of 30 KB that has near twins when it is saved anew."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    grain = rng.integers(-60, 60, (200, 200, 3))
    return Image.fromarray((np.asarray(small.resize((200, 200))) + grain).clip(0, 255).astype(np.uint8))


def awkward_files():
    """Some 200 files by path: two classes of large pictures, and all that may be wrong with them."""
    files = {
        f"{'cats' if seed % 2 else 'dogs'}/{seed:03}.jpg": encoded(scene(seed), quality=92) for seed in range(LARGE)
    }
    for number, (content, *_) in enumerate(CONVERTED.values()):
        files[f"{'cats' if number % 2 else 'dogs'}/kind-{number:02}"] = content
    files |= {f"dogs/kept {name}": content for name, content in KEPT.items()}
    paths = [path for path in files if path.endswith(".jpg")]
    for number, path in enumerate(paths[::10]):
        files[f"cats/again-{number}.jpg"] = files[path]  # partly with another label
        files[f"{path[:4]}/near-{number}.jpg"] = encoded(scene(int(path[5:8])), quality=70)
        files[f"dogs/cut-{number}.jpg"] = files[path][: len(files[path]) // 2]
    files |= {f"cats/odd-{number}.jpg": b"no image" * number for number in range(5)}
    return dict(sorted(files.items()))


def grown(files):
    """The same source a week later: files that are moved, copied, changed, gone, repaired and new."""
    paths = [path for path in files if path[5:8].isdigit()]
    now = dict(files)
    for path in paths[3:20:4]:
        now[path.replace("/", "/moved-")] = now.pop(path)
    for path in paths[21:40:4]:
        now[path.replace("/", "/0-copy-")] = now[path.replace("/", "/z-copy-")] = now[path]
    for number, path in enumerate(paths[41:50:3]):
        now[path] = encoded(scene(500 + number))
    for path in paths[51:60:3]:
        del now[path]
    now["dogs/cut-0.jpg"] = encoded(scene(600))
    now["dogs/cut-new.jpg"] = files[paths[0]][:9000]
    return now | {f"cats/new-{seed}.jpg": encoded(scene(seed)) for seed in range(700, 740)}


def corrected(folder, files):
    """A configuration with a list of corrections: images relabelled, kept and removed."""
    said = {"cats/001.jpg": "dogs", "dogs/002.jpg": "keep", "cats/015.jpg": "remove", "cats/again-1.jpg": "dogs"}
    entries = [
        ListedLabel(hashlib.sha256(files[path]).hexdigest(), path, "train", path[:4], correction=what)
        for path, what in said.items()
    ]
    write_labels(folder / "labels.csv", entries)
    return dataclasses.replace(CONFIG, corrections=str(folder / "labels.csv"))


def manifest(folder, files):
    """Writes files and a manifest that names them, with columns of its own."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["uri", "label", "camera"])
    rows.writerows([f"files/{path}", path[:4], f"camera {len(path)}"] for path in files)
    (folder / "list.csv").write_text(text.getvalue())
    return folder / "list.csv"


def run_parts(source, run, count, config=CONFIG, digest="", numbers=None):
    """Plans, and does the parts, the last one first; returns how many there are."""
    planned = plan_ingest(str(source), config, digest, run, latest_dataset(run), count, 1)
    for item in numbers or reversed(planned):
        with recorded_part("ingest", PartNumber.parse(item), run) as part:
            ingest_part(str(source), config, digest, part, latest_dataset(run))
    return len(planned)


def step(source, output, run=None, config=CONFIG, digest=""):
    """Does what the component of the step does."""
    run = run or Run()
    return ingest(str(source), output, config, digest, run, latest_dataset(run))


def facts(dataset, result):
    """What has to be the same however the work was shared: the record but for its shards, the index, the report's pictures, the result."""
    told = record(dataset)
    names = [shard.pop("uri") for shard in told.pop("shards")]
    assert len(set(names)) == len(names)
    told.pop("created", None)
    index, left_out = (
        pq.read_table(dataset / name).drop_columns(["shard", "record", "offset"]).to_pylist()
        for name in ("index.parquet", "left_out.parquet")
    )
    order = [sorted(rows, key=lambda row: row["path"]) for rows in (index, left_out)]
    drawn = sorted(part.split('"')[0] for part in (dataset / "report.html").read_text().split("data:image/")[1:])
    outcome = result.model_dump(exclude={"path", "bytes_read", "bytes_written"})
    return told, order, drawn, outcome


def kept(run):
    """The files of rows in a local store."""
    return sorted(Path(rows_folder(run)).glob("*"))
