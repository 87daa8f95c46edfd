"""All decoders together take no more memory than there is, and an image that takes more is left out, not forever."""

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool
from pathlib import Path

import pytest
from pictures import encoded, record, split_files, write_folder
from PIL import Image

from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.images import decoding_room
from graft.components.ingest.images.decoding_pool import check_contents
from graft.components.ingest.images.decoding_room import DecodingRoom, share
from graft.components.ingest.images.limits import NoRoomError
from graft.components.ingest.ingest import ingest

MIB = 2**20
LARGE = encoded(Image.new("RGBA", (4000, 3000)), "PNG")  # 20 kB
FOR_ONE = 352 * MIB


@pytest.fixture
def room():
    """Shares a room of so many bytes among the decoders of this process."""
    yield lambda size: share(DecodingRoom(size))
    decoding_room._room.clear()


def resident():
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("at_once", [1, 2])
def test_large_images_are_decoded_as_memory_allows(room, at_once):
    room(at_once * FOR_ONE)
    before, peak, ended = resident(), 0, threading.Event()

    def watch():
        nonlocal peak
        while not ended.wait(0.002):
            peak = max(peak, resident())

    with ThreadPoolExecutor(9) as pool:
        watching = pool.submit(watch)
        found = list(pool.map(check_contents, [[LARGE]] * 3))
        ended.set()
        watching.result()
    assert [image.width for images in found for image in images] == [4000] * 3
    assert 150 * MIB < peak - before < at_once * FOR_ONE


def test_an_image_that_takes_more_than_all_memory_is_left_out_until_there_is_more(room, tmp_path):
    write_folder(tmp_path / "source", split_files() | {"train/cats/large.png": LARGE})
    room(FOR_ONE - 64 * MIB)
    config = IngestConfig(max_bad_fraction=0.1)
    run = Run(str(tmp_path / "store"), "pets", "1")
    ingest(str(tmp_path / "source"), tmp_path / "first", config, run=run)
    (left_out,) = record(tmp_path / "first")["excluded"]
    assert left_out["path"] == "train/cats/large.png"
    assert left_out["reason"] == "takes up to 0.3 GiB to decode: give the step 1 GiB of memory or more"
    room(FOR_ONE)
    second = ingest(str(tmp_path / "source"), tmp_path / "second", config, run=run, previous=str(tmp_path / "first"))
    assert (second.excluded, second.reused) == (0, 12)


def take(times):
    """Takes most of the room again and again, in a process of its own, and returns how often another had it meanwhile."""
    room, inside = SHARED
    clashes = 0
    for _ in range(times):
        units = room.take(96 * MIB)
        with inside.get_lock():
            inside.value += 1
            clashes += inside.value > 1
        time.sleep(0.002)
        with inside.get_lock():
            inside.value -= 1
        room.give_back(units)
    return clashes


def set_up(*shared):
    global SHARED
    SHARED = shared


def test_processes_share_one_room():
    context = multiprocessing.get_context("spawn")
    shared = DecodingRoom(160 * MIB, context), context.Value("i", 0)
    with Pool(2, set_up, shared, context=context) as pool:
        assert pool.map(take, [20] * 2, 1) == [0, 0]


def test_more_than_all_is_never_waited_for():
    with pytest.raises(NoRoomError, match="give the step 2 GiB"):
        DecodingRoom(512 * MIB).take(2**30)
