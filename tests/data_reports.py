"""Data reports of made-up datasets, and what a page says."""

import hashlib
import io
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
from PIL import Image

from graft.components.common.artifacts.dataset import Dataset
from graft.components.ingest.dataset.index import sample_order
from graft.components.ingest.report.data_report import write_report

HOSTILE = '<script>alert(1)</script>"&\n\r\u202egpj.exe ' + "long" * 60 + ".jpg"
DUPLICATE = {
    "split": "train",
    "label": "cats",
    "twin_split": "train",
    "twin_label": "cats",
    "distance": 4,
    "identical": False,
    "dropped": False,
}


def jpeg(seed, size=(300, 200)):
    """A picture of a few soft spots."""
    spots = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def make_index(classes=("cats", "dogs"), splits=("train", "validation"), images=15, **columns):
    """An index with so many images in each class of each split."""
    keys = [(split, name, number) for split in splits for name in classes for number in range(images)]
    paths = [f"{split}/{name}/{number}.jpg" for split, name, number in keys]
    numbers = np.random.default_rng(0).integers
    values = {
        "order": sample_order(pa.array(hashlib.sha256(path.encode()).hexdigest() for path in paths)),
        "path": paths,
        "split": [split for split, _, _ in keys],
        "label": [name for _, name, _ in keys],
        "width": pa.array(numbers(100, 900, len(keys)), pa.int32()),
        "height": pa.array(numbers(100, 900, len(keys)), pa.int32()),
        "brightness": pa.array(numbers(0, 256, len(keys)), pa.float32()),
        "phash": ["0" * 16] * len(keys),
        "shard": ["train-00000.tfrecord"] * len(keys),
    }
    return pa.table(values | columns)


def make_record(index, **changes):
    """The record of a dataset with this index, in which nothing was left out."""
    keys = list(zip(index["split"].to_pylist(), index["label"].to_pylist(), strict=True))
    classes = sorted({label for _, label in keys})
    counts = {split: {name: keys.count((split, name)) for name in classes} for split in dict(keys)}
    fields = {
        "classes": classes,
        "counts": counts,
        "digest": "d" * 64,
        "source": "photos.zip",
        "source_digest": "",
        "excluded": [],
        "duplicates": [],
        "fractions": {},
        "warnings": [],
        "converted": {},
        "ignored": [],
        "columns": [],
        "settings": {"validation_fraction": 0.2},
        "checked": len(index),
        "reused": 0,
        "shards": [],
    }
    return Dataset(**fields | changes)


def eventful():
    """Returns an index, its record and thumbnails of broken files: something of everything, all names hostile."""
    index = make_index(("cats", f"dogs {HOSTILE}"), ("train", "validation", "test"))
    paths = index["path"].to_pylist()
    broken = {f"train/cats/{HOSTILE}": jpeg(1, (128, 85))}
    twin = {
        "path": f"train/cats/twin {HOSTILE}",
        "label": "cats",
        "reason": "is in validation too",
        "sha256": "0" * 64,
        "twin": paths[35],
        "twin_sha256": "1" * 64,
        "distance": 0,
        "identical": True,
    }
    record = make_record(
        index,
        source=HOSTILE,
        warnings=[f"Beware of {HOSTILE}.", "And of \udcff."],
        excluded=[
            *({"path": path, "label": "cats", "reason": f"is damaged ({HOSTILE})"} for path in broken),
            twin,
            *({"path": f"train/cats/{number}.txt", "label": "cats", "reason": "is empty"} for number in range(40)),
        ],
        converted={"cmyk": 1200, "rotated": 3},
        ignored=[HOSTILE],
        corrections={
            **{"list": HOSTILE, "sha256": "0" * 64, "corrected": 30, "removed": 1, "kept": 2},
            **{"without_effect": 2, "lines_without_effect": [7, 9]},
        },
        relabelled=[
            {"path": path, "label": "cats", "source_label": f"dogs {HOSTILE}", "sha256": "1" * 64}
            for path in paths[:30]
        ],
        passed_over={"*.xmp": 1200, f"@eaDir {HOSTILE}": 1},
        duplicates=[
            DUPLICATE | {"path": paths[0], "twin": paths[1]},
            DUPLICATE
            | {
                "path": twin["path"],
                "twin": paths[35],
                "twin_split": "validation",
                "distance": 0,
                "identical": True,
                "dropped": True,
            },
            DUPLICATE | {"path": paths[2], "twin": paths[18], "twin_label": index["label"][18].as_py(), "distance": 6},
        ],
        fractions={name: {"train": {"asked": 0.5, "obtained": 0.75}} for name in ("cats", f"dogs {HOSTILE}")},
    )
    return index, record, broken


def write_page(path, index, record, broken=None):
    """Writes a report, in which every image that isn't broken or a text is a picture."""

    def image(name):
        return None if name.endswith(".txt") else jpeg(len(name))

    write_report(path, record, index, image, broken or {})
    return Page(path.read_text(encoding="utf-8"))


class Page(HTMLParser):
    """A page's elements, and its text as people see it."""

    def __init__(self, html):
        super().__init__()
        self.html, self.elements, self._words, self._inside = html, [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self._inside:
            self._words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self._words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
