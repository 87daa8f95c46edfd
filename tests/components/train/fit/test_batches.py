"""Batches: every image once an epoch, mixed over all of them, and the same wherever a fit goes on."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import split_files, write_folder

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.compute import passes
from graft.components.common.compute.machine import cores
from graft.components.common.compute.passes import naming_damage
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.ingest.images import decoding_pool
from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.ingest import ingest
from graft.components.train.config import TrainConfig
from graft.components.train.fit import batches
from graft.components.train.fit.batches import fetch_images, fetch_vectors, stream_of
from graft.components.train.network.preprocessing import build_preprocessing

CONFIG = TrainConfig(batch_size=20)


def numbers_of(config=CONFIG, count=1010, phase=0, epochs=3, done=0):
    """Returns the row numbers of all batches after some steps, and the steps of an epoch."""
    rows = np.arange(count, dtype=np.float32)[:, None]
    stream, steps = stream_of(fetch_vectors(rows), rows, config, phase, epochs)
    batches = [(np.asarray(inputs)[:, 0], np.asarray(targets)[:, 0]) for inputs, targets in stream(done)]
    assert all((inputs == targets).all() for inputs, targets in batches)
    return [inputs for inputs, _ in batches], steps


def test_every_epoch_has_every_image_once_in_an_order_of_its_own():
    batches, steps = numbers_of()
    assert (steps, len(batches), len(batches[steps - 1])) == (51, 3 * 51, 10)
    epochs = [np.concatenate(batches[start : start + steps]) for start in range(0, 3 * steps, steps)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(1010))
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()


def test_batches_are_mixed_over_all_images_although_classes_follow_each_other():
    batches, steps = numbers_of(count=10_000, epochs=1)
    shares = [np.mean(batch >= 5_000) for batch in batches]
    quarters = [np.mean(shares[start : start + steps // 4]) for start in range(0, steps, steps // 4)]
    assert all(0.45 < share < 0.55 for share in quarters)
    assert all(0 < share < 1 for share in shares)


@pytest.mark.parametrize("done", [1, 50, 51, 52, 120])
def test_going_on_after_any_step_gives_what_an_unbroken_fit_sees(done):
    whole, _ = numbers_of()
    rest, _ = numbers_of(done=done)
    assert len(rest) == len(whole) - done
    assert all((one == other).all() for one, other in zip(rest, whole[done:], strict=True))


def test_phases_and_seeds_have_orders_of_their_own():
    first = np.concatenate(numbers_of(epochs=1)[0])
    assert (first != np.concatenate(numbers_of(epochs=1, phase=1)[0])).any()
    assert (first != np.concatenate(numbers_of(dataclasses.replace(CONFIG, seed=1), epochs=1)[0])).any()


def test_augmentation_follows_from_seed_phase_and_step():
    import_tensorflow()
    rows = np.zeros((100, 1), np.float32)

    def seeds(phase, done=0, config=CONFIG):
        stream, _ = stream_of(fetch_vectors(rows), rows, config, phase, 2, lambda images, seed: seed)
        return [tuple(np.asarray(seed)) for seed, _ in stream(done)]

    other = seeds(0, config=dataclasses.replace(CONFIG, seed=1))
    assert len({*seeds(0), *seeds(1), *other}) == 3 * len(seeds(0)) == 30
    assert seeds(1, 7) == seeds(1)[7:]


@pytest.fixture
def images(dataset):
    data, preprocessing = Dataset.load(dataset), build_preprocessing(75)
    rows = np.random.default_rng(0).permutation(data.count("train"))[:25]
    return data, "train", preprocessing, rows


@pytest.mark.slow
@pytest.mark.parametrize("pixel", [20, 2**50])
def test_images_are_the_same_held_in_memory_or_read_each_time(images, monkeypatch, pixel):
    monkeypatch.setattr(passes, "_PIXEL", pixel)  # so many bytes of memory, by which they are decoded one by one
    rows = np.array([7, 0, 20, 7])
    held = np.asarray(fetch_images(*images)(rows))
    monkeypatch.setattr(batches, "_BYTES", 1000)
    tf = import_tensorflow()
    fetch = fetch_images(*images)
    (read,) = tf.data.Dataset.from_tensors(rows).map(fetch, num_parallel_calls=4)
    assert held.shape == (4, 75, 75, 3)
    assert np.asarray(read) == pytest.approx(held, abs=1e-5)
    assert (held[0] != held[2]).any()
    in_order = [image for image, _ in passes.read_images(*images[:2], None, images[2])]
    assert held == pytest.approx(np.array([in_order[row] for row in images[3][rows]]), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1000, 2**30])
@pytest.mark.parametrize("harm", ["flipped byte", "cut short", "emptied", "missing"])
def test_a_damaged_shard_is_named_before_any_step(images, tmp_path, monkeypatch, limit, harm):
    monkeypatch.setattr(batches, "_BYTES", limit)
    shutil.copytree(images[0].path, tmp_path / "harmed")
    data = Dataset.load(tmp_path / "harmed")
    shard = Path(next(iter(locate(data, "train").paths)))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    if harm == "missing":
        shard.unlink()
    else:
        left = {"flipped byte": len(content), "cut short": len(content) // 2, "emptied": 0}[harm]
        shard.write_bytes(content[:left])
    with pytest.raises(GraftError, match=r"harmed (is damaged \(|holds 0 ).*ingest (it )?again"):
        fetch_images(data, *images[1:])


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1000, 2**30])
def test_an_image_that_cant_be_decoded_is_named_and_leaving_it_out_helps(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(batches, "_BYTES", limit)
    bad = "train/cats/1.jpg"
    files = split_files()
    files[bad] = files[bad][:-2] + b"\xff\xe1\xff\xff\xff\xd9"
    source = write_folder(tmp_path / "source", files)
    with monkeypatch.context() as patched:  # as earlier versions did
        patched.setattr(
            decoding_pool, "check_image", lambda content: dataclasses.replace(check_image(content), encoded=content)
        )
        ingest(str(source), tmp_path / "dataset")

    def read(folder):
        data, rows = Dataset.load(folder), np.arange(Dataset.load(folder).count("train"))
        with naming_damage(data, "train"):
            return fetch_images(data, "train", build_preprocessing(75), rows)(rows)

    with pytest.raises(GraftError, match=f"{bad} .*: remove it from the source, and ingest again"):
        read(tmp_path / "dataset")
    (source / bad).unlink()
    ingest(str(source), tmp_path / "again")
    assert len(read(tmp_path / "again")) == 5


def test_as_many_large_images_are_decoded_at_once_as_memory_allows():
    assert passes.decoded_at_once(500 * 375) == cores()
    assert passes.decoded_at_once(2**50) == 1
