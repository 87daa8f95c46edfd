"""Checkpoints: the latest whole one is found, whatever happened to the store meanwhile."""

import hashlib
import io

import fsspec
import numpy as np
import pytest

from graft.components.train.fit.checkpoints import Checkpoint, Checkpoints

KEY = {"dataset": "d", "weights": "w"}


def checkpoint(number):
    return Checkpoint({"epoch": number, "loss": float("inf")}, [np.full((2, 3), number, np.float32), np.arange(4)])


def files(store):
    fs, path = fsspec.core.url_to_fs(f"{store}/checkpoints")
    fs.invalidate_cache()
    return fs, fs.find(path)


def test_the_latest_replaces_the_earlier_and_is_found_as_it_was(store):
    kept = Checkpoints(store, KEY)
    assert kept.load("head") is None
    for number in (9, 10, 11):
        kept.save("head", number, checkpoint(number))
    found = Checkpoints(store, KEY).load("head")
    assert found.progress == {"epoch": 11, "loss": float("inf")}
    for array, expected in zip(found.arrays, checkpoint(11).arrays, strict=True):
        assert array.dtype == expected.dtype and (array == expected).all()
    assert len(files(store)[1]) == 1


def test_a_slower_attempt_does_not_undo_a_faster_one(store):
    fast, slow = Checkpoints(store, KEY), Checkpoints(store, KEY)
    fast.save("head", 2000, checkpoint(2))
    slow.save("head", 400, checkpoint(0))
    slow.save("head", 1000, checkpoint(1))
    assert slow.load("head").progress["epoch"] == 2
    assert len(files(store)[1]) == 2, "the slow one's own earlier checkpoint is gone"
    slow.save("head", 2000, checkpoint(3))
    assert fast.load("head").progress["epoch"] == 3
    assert len(files(store)[1]) == 1, "one of the same step takes the other's place"


def test_another_training_and_another_phase_have_their_own(store):
    Checkpoints(store, KEY).save("head", 1, checkpoint(1))
    assert Checkpoints(store, {**KEY, "weights": "v"}).load("head") is None
    assert Checkpoints(store, KEY).load("unfrozen layers") is None
    Checkpoints(store, KEY).save("unfrozen layers", 2, checkpoint(2))
    assert Checkpoints(store, KEY).load("head").progress["epoch"] == 1


@pytest.mark.parametrize("harm", ["flipped byte", "cut short", "empty"])
def test_a_damaged_one_is_said_and_left_out(store, harm, caplog):
    kept = Checkpoints(store, KEY)
    kept.save("head", 1, checkpoint(1))
    fs, (path,) = files(store)
    content = bytearray(fs.cat_file(path))
    content[len(content) // 2] ^= 1
    fs.pipe_file(path, bytes({"flipped byte": content, "cut short": content[:100], "empty": b""}[harm]))
    assert kept.load("head") is None
    assert "damaged and left out" in caplog.text


def planted(store, name, content):
    """Puts content under the name that its digest gives it, as the latest checkpoint."""
    fs, (path,) = files(store)
    fs.pipe_file(f"{path.rpartition('/')[0]}/head-{name:09d}-{hashlib.sha256(content).hexdigest()}.npz", content)


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_one_that_cant_be_read_is_named_and_the_one_before_is_taken(store, caplog):
    kept = Checkpoints(store, KEY)
    Checkpoints(store, {**KEY, "weights": "v"}).save("head", 1, checkpoint(8))
    fs, (others,) = files(store)
    foreign = fs.cat_file(others)
    fs.rm(others)
    kept.save("head", 1, checkpoint(1))
    whole = fs.cat_file(files(store)[1][0])
    rng = np.random.default_rng(0)
    flipped = bytearray(whole)
    for position in rng.integers(0, len(whole), 40):
        flipped[position] ^= 0xFF
    contents = [
        b"",
        b"no archive",
        whole[: len(whole) // 2],
        bytes(flipped),
        foreign,
        archive(),
        archive(progress=np.array("{")),
    ]
    for number, content in enumerate(contents):
        caplog.clear()
        planted(store, 2 + number, content)
        assert kept.load("head").progress["epoch"] == 1
        assert f"head-{2 + number:09d}" in caplog.text and caplog.text.count("A checkpoint is left out") == 1
        fs.rm([path for path in files(store)[1] if f"head-{2 + number:09d}" in path])
    assert kept.load("head", lambda found: found.progress["epoch"] != 1) is None


def test_at_the_end_nothing_is_left(store):
    kept = Checkpoints(store, KEY)
    kept.save("head", 1, checkpoint(1))
    kept.save("unfrozen layers", 1, checkpoint(1))
    kept.clear()
    assert files(store)[1] == []
    kept.clear()


def test_without_a_store_nothing_is_kept():
    kept = Checkpoints("", KEY)
    kept.save("head", 1, checkpoint(1))
    assert kept.load("head") is None
    kept.clear()
