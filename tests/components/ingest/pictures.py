"""Small, distinct images on disk, in folders and archives, and readers of what ingest makes of them."""

import io
import json
import struct
import tarfile
import zipfile

import google_crc32c
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.components.common.artifacts.shards.tfrecord import _Example
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest

HALF = IngestConfig(validation_fraction=0.5)
LENIENT = IngestConfig(max_bad_fraction=0.5)


def noise(seed, size=(24, 16), mode="RGB"):
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8), mode=None)


def encoded(image, image_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def image_files(*folders, images=3):
    """Contents by path: distinct JPEGs in each folder."""
    paths = [f"{folder}/{number}.jpg" for folder in folders for number in range(images)]
    return {path: encoded(noise(seed)) for seed, path in enumerate(paths)}


def split_files(images=3):
    return image_files("train/cats", "train/dogs", "validation/cats", "validation/dogs", images=images)


def write_folder(root, files):
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return root


def pack(files, target, *folders):
    """Packs files, and empty folders whose names end in a slash, by the target's suffix."""
    files = files | dict.fromkeys(folders, b"")
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        return target
    with tarfile.open(target, "w:gz" if target.suffix == ".gz" else "w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(content)
            member.type = tarfile.DIRTYPE if path in folders else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(content))
    return target


def refusal(source, output, config=None):
    """Ingests what must be refused, and returns the sentence; nothing may be left of the output."""
    with pytest.raises(GraftError) as refused:
        ingest(str(source), output, config or IngestConfig())
    assert not output.exists()
    sentence = str(refused.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def record(dataset):
    return json.loads((dataset / "dataset.json").read_text())


def rows(dataset):
    return pq.read_table(dataset / "index.parquet").to_pylist()


def shard_records(path):
    """Reads a TFRecord file, its checksums checked by the format's own rule."""
    content, start = path.read_bytes(), 0
    while start < len(content):
        length = content[start : start + 8]
        end = start + 12 + struct.unpack("<Q", length)[0]
        data = content[start + 12 : end]
        for checked, stored in ((length, content[start + 8 : start + 12]), (data, content[end : end + 4])):
            crc = google_crc32c.value(checked)
            rotated = ((crc >> 15) | (crc << 17)) & 0xFFFFFFFF
            assert struct.unpack("<I", stored)[0] == (rotated + 0xA282EAD8) & 0xFFFFFFFF
        example = _Example.FromString(data)
        yield {
            key: (list(feature.bytes_list.value) or list(feature.int64_list.value))[0]
            for key, feature in example.features.feature.items()
        }
        start = end + 4


def stored(dataset):
    """The stored records by path in the source."""
    return {
        item["image/filename"].decode(): item
        for shard in sorted(dataset.glob("*.tfrecord"))
        for item in shard_records(shard)
    }
