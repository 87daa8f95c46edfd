"""Shards on their way to and from a store: several at once, few on the disk, and one sentence where one can't be moved."""

import hashlib
import threading
import time
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pytest
from pictures import encoded, noise, write_folder
from proxy import Handler, Proxy

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards import downloads
from graft.components.common.artifacts.shards.downloads import ShardPaths
from graft.components.common.artifacts.shards.encoded import read_records
from graft.components.common.artifacts.shards.located import Located
from graft.components.common.compute.passes import naming_damage, read_images
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.common.storage import sha256_file
from graft.components.ingest.dataset.shards import Shards
from graft.components.ingest.images.checked_image import CheckedImage
from graft.components.ingest.ingest import ingest

SHARDS, IMAGE = 12, 2**14


class Holding(Handler):
    """Holds shards back until as many are on their way as may be, or for want of others a second has passed."""

    def do(self):
        server = self.server
        if "tfrecord" not in self.path or self.command not in server.held:
            super().do()
            return
        with server.changed:
            server.now.append(self.path)
            server.most = max(server.most, len(set(server.now)))
            server.changed.notify_all()
            server.changed.wait_for(lambda: server.most >= server.expected, 1)
        super().do()
        with server.changed:
            server.now.remove(self.path)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815


@pytest.fixture
def server(s3_address, s3_bucket, monkeypatch):
    """A proxy before the bucket's server, which counts how many shards are moved at once."""
    with Proxy(s3_address) as proxy:
        proxy.RequestHandlerClass = Holding
        proxy.changed, proxy.now, proxy.most, proxy.expected, proxy.held = threading.Condition(), [], 0, 4, ("PUT",)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        fsspec.filesystem("s3").clear_instance_cache()
        yield proxy
        proxy.shutdown()


def write(folder, store, seen=lambda: None):
    """Writes a shard an image."""
    chance = np.random.default_rng(sum(store.encode()))
    with Shards(folder, 1, store) as shards:
        for number in range(SHARDS):
            content = chance.bytes(IMAGE)
            image = CheckedImage(hashlib.sha256(content).hexdigest(), content, 1, 1, 0.0, "0" * 16, b"", ())
            assert shards.write("train", 0, "cats", f"{number}.png", image) == (number, 0, 0)
            seen()
    return shards.finished


def test_several_go_up_while_others_are_written(tmp_path, s3_bucket, server):
    on_disk = []
    shards = write(tmp_path, f"{s3_bucket}/store", lambda: on_disk.append(len(list(tmp_path.iterdir()))))
    assert server.most == 4 and max(on_disk) <= 6 and not list(tmp_path.iterdir())
    (tmp_path / "local").mkdir()
    local = write(tmp_path / "local", "")
    assert [shard.images for shard in shards] == [1] * SHARDS and len({shard.uri for shard in shards}) == SHARDS
    for shard in shards:
        assert hashlib.sha256(storage.read(shard.uri)).hexdigest() == shard.sha256
    assert [shard.name for shard in local] == [f"train-{number:05}.tfrecord" for number in range(SHARDS)]


def test_one_that_cant_go_up_ends_it_and_the_others_with_it(tmp_path, s3_bucket, server, monkeypatch):
    put, tried = storage.put, []

    def fails(path, uri):
        tried.append(uri)
        if len(tried) == 2:
            raise GraftError("The store is full.")
        put(path, uri)

    monkeypatch.setattr(storage, "put", fails)
    server.expected = 3
    with pytest.raises(GraftError, match=r"^The store is full.$"):
        write(tmp_path, f"{s3_bucket}/store")
    assert len(tried) < SHARDS


def remote(tmp_path, store):
    shards = write(tmp_path, store)
    return Dataset.model_construct(shards=tuple(shards)), shards


def test_several_come_down_ahead_of_the_reader_and_few_stay(tmp_path, s3_bucket, server, monkeypatch):
    dataset, shards = remote(tmp_path, f"{s3_bucket}/store")
    server.held, server.most = ("GET",), 0
    fetched, fetch = [], storage.fetch
    monkeypatch.setattr(storage, "fetch", lambda uri, *rest, **more: fetched.append(uri) or fetch(uri, *rest, **more))
    monkeypatch.setattr(downloads, "_KEPT_BYTES", 3 * IMAGE)
    read, on_disk = [], []
    for path in ShardPaths(dataset, shards):
        read.append(sha256_file(Path(path)))
        assert len(fetched) <= len(read) + 3
        on_disk.append([name for name in fetched if (tmp_path / path).with_name(name.rpartition("/")[2]).exists()])
    assert read == [shard.sha256 for shard in shards] and len(fetched) == SHARDS
    assert server.most == 4 and max(map(len, on_disk)) <= 5
    kept = list(ShardPaths(dataset, shards).kept())
    assert [sha256_file(Path(path)) for path in kept] == read
    assert list(ShardPaths(dataset, shards).kept()) == kept and len(fetched) <= 2 * SHARDS


def test_who_stops_reading_stops_the_downloads(tmp_path, s3_bucket, server, monkeypatch):
    dataset, shards = remote(tmp_path, f"{s3_bucket}/store")
    fetched, fetch = [], storage.fetch
    monkeypatch.setattr(storage, "fetch", lambda uri, *rest, **more: fetched.append(uri) or fetch(uri, *rest, **more))
    paths = iter(ShardPaths(dataset, shards))
    next(paths)
    paths.close()
    assert len(fetched) <= 4
    assert len(list(ShardPaths(dataset, shards))) == SHARDS == len(set(fetched))


def test_a_damaged_one_stops_the_downloads(tmp_path, s3_bucket, monkeypatch):
    dataset, shards = remote(tmp_path, f"{s3_bucket}/store")
    storage.write(shards[0].uri, b"!")
    fetched, fetch = [], storage.fetch

    def slow(uri, *rest, **more):
        fetched.append(uri)
        time.sleep(0.05)
        return fetch(uri, *rest, **more)

    monkeypatch.setattr(storage, "fetch", slow)
    with pytest.raises(GraftError, match=f"{shards[0].name} has the SHA-256"):
        read_records(dataset, Located(ShardPaths(dataset, shards), SHARDS, np.arange(SHARDS), np.zeros(SHARDS), 1))
    downloads._downloads()._pool.submit(int).result()  # what waited before it has begun, or never will
    assert len(fetched) <= 8


def test_a_damaged_one_is_named_in_a_pass(tmp_path, s3_bucket):
    folders, seed = ("train/cats", "train/dogs", "validation/cats", "validation/dogs"), uuid.uuid4().int
    files = {f"{folder}/0.png": encoded(noise(seed + place), "PNG") for place, folder in enumerate(folders)}
    run = Run(f"{s3_bucket}/store", "pets", "run-1")
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", run=run)
    data = Dataset.load(tmp_path / "dataset")
    shard = next(shard for shard in data.shards if shard.images)
    content = storage.read(shard.uri)
    storage.write(shard.uri, content[:-1] + b"!")
    with pytest.raises(GraftError, match=f"{shard.name} has the SHA-256 .*, not {shard.sha256}"):
        for split in data.counts:
            with naming_damage(data, split):
                list(read_images(data, split))
    storage.write(shard.uri, content)
    for split in data.counts:
        with naming_damage(data, split):
            assert len(list(read_images(data, split))) == data.count(split)
