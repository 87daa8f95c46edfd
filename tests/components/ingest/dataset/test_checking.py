"""Files that can't be used are left out by name and reason, up to a limit; names may hold anything."""

import os

import pytest
from pictures import LENIENT, encoded, noise, record, refusal, rows, split_files, write_folder

from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset import checking
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.folders import LocalFolder
from graft.components.ingest.source.labelled_images import LabelledImage, LabelledImages
from graft.components.ingest.source.left_out import LeftOut

BAD = {
    "train/cats/cut.jpg": encoded(noise(7))[:-100],
    "train/cats/empty.jpg": b"",
    "train/dogs/text.jpg": b"hello there",
}


def test_bad_files_within_the_limit_are_left_out_and_listed(tmp_path):
    source = write_folder(tmp_path / "source", split_files() | BAD)
    result = ingest(str(source), tmp_path / "dataset", IngestConfig(max_bad_fraction=0.2))
    excluded = {entry["path"]: entry["reason"] for entry in record(tmp_path / "dataset")["excluded"]}
    assert excluded.keys() == BAD.keys() and result.excluded == 3
    assert "damaged" in excluded["train/cats/cut.jpg"]
    assert excluded["train/cats/empty.jpg"] == "is empty"
    assert excluded["train/dogs/text.jpg"] == "is not an image of a known format"
    assert len(rows(tmp_path / "dataset")) == 12


def test_too_many_bad_files_are_named(tmp_path):
    source = write_folder(tmp_path / "source", split_files() | BAD)
    sentence = refusal(source, tmp_path / "dataset", IngestConfig(max_bad_fraction=0.19))
    assert "3 of 15 files can't be used, more than --max-bad-fraction 0.19" in sentence
    assert all(repr(path) in sentence for path in BAD)


def test_no_usable_file_at_all(tmp_path):
    source = write_folder(
        tmp_path / "source", {f"{label}/{n}.jpg": b"x" for label in ("cats", "dogs") for n in range(3)}
    )
    assert "6 of 6 files can't be used" in refusal(source, tmp_path / "dataset", IngestConfig(max_bad_fraction=0.99))


@pytest.mark.parametrize("splits", ["train", "train,validation"])
def test_a_class_without_a_readable_image(tmp_path, splits):
    files = split_files() | {"train/dogs/bad.jpg": b"x"}
    files = {p: b"nothing" if "dogs" in p and p.split("/")[0] in splits.split(",") else c for p, c in files.items()}
    sentence = refusal(
        write_folder(tmp_path / "source", files), tmp_path / "dataset", IngestConfig(max_bad_fraction=0.9)
    )
    assert "Class 'dogs' has no usable image" in sentence
    assert "'train/dogs/0.jpg' is not an image" in sentence


@pytest.mark.parametrize(
    "name",
    [
        b"with space.jpg",
        "🐈.jpg".encode(),
        b"new\nline.jpg",
        b"not utf-8 \xff\xfe.jpg",
        b"[glob]*?{a,b}.jpg",
        b"per%20cent#?.jpg",
        b"a::b.jpg",
        b"\x1b[31m.jpg",
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", ["file", "class", "source"])
def test_names_may_hold_anything(tmp_path, name, place):
    label = os.fsdecode(name) if place == "class" else "cats"
    files = {path.replace("cats", label): content for path, content in split_files().items()}
    files[f"train/{label}/{os.fsdecode(name)}"] = encoded(noise(50))
    source = tmp_path / (os.fsdecode(name) if place == "source" else "source")
    ingest(str(write_folder(source, files)), tmp_path / "dataset")
    found = record(tmp_path / "dataset")
    assert found["excluded"] == [] and sum(found["counts"]["train"].values()) == 7
    if name.isascii():
        assert f"train/{label}/{name.decode()}" in {row["path"] for row in rows(tmp_path / "dataset")}


def test_links_are_followed(tmp_path):
    write_folder(tmp_path / "elsewhere", split_files())
    source = tmp_path / "source"
    source.mkdir()
    for split in ("train", "validation"):
        (source / split).symlink_to(tmp_path / "elsewhere" / split)
    assert ingest(str(source), tmp_path / "dataset").counts["train"] == {"cats": 3, "dogs": 3}


def test_a_link_to_a_folder_above_is_refused(tmp_path):
    source = write_folder(tmp_path / "source", split_files())
    for name in ("one", "two"):
        (source / "train" / "cats" / name).symlink_to(source)
    assert "is a link to a folder that it is in" in refusal(source, tmp_path / "dataset")


def test_pipes_and_broken_links_are_left_out(tmp_path):
    source = write_folder(tmp_path / "source", split_files())
    os.mkfifo(source / "train" / "cats" / "pipe.jpg")
    (source / "train" / "cats" / "broken.jpg").symlink_to("nowhere")
    (source / "train" / "cats" / "itself.jpg").symlink_to("itself.jpg")
    assert ingest(str(source), tmp_path / "dataset", LENIENT).excluded == 3


@pytest.mark.parametrize("source", ["pipe", "/dev/null"])
def test_a_source_that_is_no_file(tmp_path, source):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a folder, zip, tar or tar.gz" in refusal(tmp_path / source, tmp_path / "dataset")


class Listed(LabelledImages):
    """Notes how many files were asked for at once."""

    def __init__(self, images: list[LabelledImage]) -> None:
        super().__init__(images)
        self.batches: list[int] = []

    def __getitem__(self, number):
        found = super().__getitem__(number)
        if isinstance(number, slice):
            self.batches.append(len(found))
        return found


def test_few_large_files_are_in_memory_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "cores", lambda: 1)  # and so ten batches are on their way
    sizes = {f"{number:03}.jpg": 10 if number < 300 else 2**20 for number in range(500)}
    for name, size in sizes.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    listed = Listed([LabelledImage(name, "train", "cats") for name in sizes])
    checked = list(checking.check_all(LocalFolder(tmp_path, LeftOut()), listed, None))
    assert {one.file.path: one.bytes for one in checked} == sizes
    assert [one.file.path for one in checked] == list(sizes)
    assert max(listed.batches) == 16 and listed.batches[-10:] == [1] * 10
