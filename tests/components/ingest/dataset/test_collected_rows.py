"""Rows and images that wait outside of Python's memory come back as they went in."""

import errno
import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from graft.components.common.artifacts.dataset import SPLITS, TRAIN, VALIDATION
from graft.components.common.errors import GraftError
from graft.components.ingest.dataset.collected_rows import COLUMNS, CollectedRows, IndexRow, RowWriter
from graft.components.ingest.dataset.index import write_index
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages

A_GROUP = 4096


def row(number):
    looks = (8, 9, 0.5, f"{number:016x}", bytes(256), "", f"v{number}")
    return IndexRow(f"{number:064x}", f"cats/{number}.jpg", TRAIN, "cats", *looks, number % 3, number // 3, 7 * number)


def collected(count):
    file = io.BytesIO()
    with RowWriter(file, ["camera"]) as index:
        for number in range(count):
            index.add(row(number), [f"camera {number}"])
    return CollectedRows(file)


@pytest.mark.parametrize("count", [0, 1, A_GROUP, A_GROUP + 1])
def test_rows_come_back_in_the_order_that_is_asked_for(count):
    rows = collected(count)
    assert len(rows) == count
    paths = [path for batch in rows.batches("path") for path in batch["path"].to_pylist()]
    assert paths == [f"cats/{number}.jpg" for number in range(count)]
    numbers = np.array([number for number in (A_GROUP, 0, A_GROUP - 1, 0) if number < count], int)
    taken = rows.take(numbers, "path", "sha256", "camera")
    assert taken.to_pylist() == [
        {"path": f"cats/{number}.jpg", "sha256": bytes.fromhex(f"{number:064x}"), "camera": f"camera {number}"}
        for number in numbers
    ]


def test_the_index_is_sorted_by_split_shard_and_record_and_lacks_what_is_left_out(tmp_path):
    count = A_GROUP + 1
    splits = np.arange(count) % 2
    splits[[5, A_GROUP]] = -1
    write_index(collected(count), splits, ["a", "b", "c"], tmp_path / "index.parquet")
    written = pq.read_table(tmp_path / "index.parquet")
    assert written.schema.names == [*COLUMNS, "camera"]
    keys = [(SPLITS.index(one["split"]), one["shard"], one["record"]) for one in written.to_pylist()]
    assert keys == sorted(keys) and len(keys) == count - 2
    for one in written.to_pylist():
        number = int(one["sha256"], 16)
        assert one["split"] == (VALIDATION if number % 2 else TRAIN)
        assert (one["shard"], one["record"]) == ("abc"[number % 3], number // 3)
    write_index(collected(count), splits, ["a", "b", "c"], tmp_path / "left_out.parquet", left_out=True)
    assert {one["path"] for one in pq.read_table(tmp_path / "left_out.parquet").to_pylist()} == {
        "cats/5.jpg",
        f"cats/{A_GROUP}.jpg",
    }


class _Full(io.BytesIO):
    def write(self, content):
        if self.tell() + len(content) > 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


@pytest.mark.parametrize("count", [100, A_GROUP + 1])
def test_a_full_temporary_folder_is_named(count):
    with (
        pytest.raises(GraftError, match=r"temporary folder .* \(No space left on device\).*TMPDIR"),
        RowWriter(_Full()) as index,
    ):
        for number in range(count):
            index.add(row(number))


def test_what_went_wrong_first_is_what_is_told():
    with pytest.raises(ValueError, match="the real reason"), RowWriter(_Full()) as index:
        for number in range(100):
            index.add(row(number))
        raise ValueError("the real reason")


def test_items_come_back_as_they_went_in():
    wanted = [
        LabelledImage("cats/caf\udce9.jpg", None, "cats"),
        LabelledImage("dogs/ü.jpg", TRAIN, "dogs", ('a,\n"b"', "", "ü")),
        LabelledImage("dogs/2.jpg", TRAIN, "dogs"),
    ]
    images = LabelledImages(iter(wanted))
    assert list(images) == wanted and images == wanted and len(images) == 3
    assert (images[-1], images[1:]) == (wanted[2], wanted[1:])
    assert (images.kinds, images.splits) == ([(None, "cats"), (TRAIN, "dogs")], {None, TRAIN})
    assert list(LabelledImages()) == [] and not LabelledImages()
    with pytest.raises(IndexError):
        images[3]
