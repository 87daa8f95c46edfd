"""Packs, here of features: found by content, whatever happened to the store meanwhile."""

import hashlib
import io
import threading
import time
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from web import web_server

from graft.components.common import storage
from graft.components.common.compute import packs as packs_of
from graft.components.common.compute.kept_features import FeatureCache, half
from graft.components.common.errors import GraftError

KIND = {"weights": "w", "cut": "mixed7"}


def names(count, prefix="image"):
    return [f"{prefix}{number}" for number in range(count)]


def vectors(count, seed=0):
    return half(np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32))


def fill(store, count=6, prefix="image", kind=KIND, seed=0):
    cache = FeatureCache(store, kind)
    cache.keep(names(count, prefix), vectors(count, seed))
    cache.flush()
    return cache


def packs(store):
    fs, path = fsspec.core.url_to_fs(f"{store}/features")
    fs.invalidate_cache()
    return [file for file in fs.find(path) if file.endswith(".arrow")]


def test_what_was_kept_is_found_by_content_and_the_rest_is_not(store):
    fill(store)
    features, found = FeatureCache(store, KIND).find(["image3", "other", "image0", "image3"], 5)
    assert found.tolist() == [True, False, True, True]
    assert features.dtype == np.float16
    assert (features[[0, 2, 3]] == vectors(6)[[3, 0, 3]]).all()


def test_other_weights_cuts_and_views_are_other_features(store):
    fill(store)
    for change in ({"weights": "v"}, {"cut": "mixed6"}, {"view": "flipped"}):
        _, found = FeatureCache(store, {**KIND, **change}).find(names(6), 5)
        assert not found.any()


def test_without_a_store_nothing_is_found_and_nothing_kept():
    cache = FeatureCache("", KIND)
    cache.keep(names(6), vectors(6))
    cache.flush()
    cache.tidy(5)
    assert not cache.find(names(6), 5)[1].any()


@pytest.mark.parametrize("harm", ["flipped byte", "cut short", "empty"])
def test_a_damaged_pack_is_said_removed_and_computed_again(store, harm, caplog):
    fill(store)
    fill(store, prefix="other", seed=1)
    (first, _) = packs(store)
    fs, _ = fsspec.core.url_to_fs(store)
    content = bytearray(fs.cat_file(first))
    content[len(content) // 2] ^= 1
    fs.pipe_file(first, bytes({"flipped byte": content, "cut short": content[:100], "empty": b""}[harm]))
    cache = FeatureCache(store, KIND)
    assert cache.find([*names(6), *names(6, "other")], 5)[1].sum() == 6
    assert "damaged and computed again" in caplog.text
    assert len(packs(store)) == 1
    fill(store)
    fill(store, prefix="other", seed=1)
    assert FeatureCache(store, KIND).find([*names(6), *names(6, "other")], 5)[1].all()


def test_two_at_once_lose_nothing(store):
    threads = [
        threading.Thread(target=fill, args=(store, 50, f"t{number}-"), kwargs={"seed": number}) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        features, found = FeatureCache(store, KIND).find(names(50, f"t{number}-"), 5)
        assert found.all() and (features == vectors(50, number)).all()


def test_what_another_training_is_just_writing_is_left_alone(tmp_path, monkeypatch):
    store = str(tmp_path / "store")
    fill(store)
    replace, beside = Path.replace, []

    def look_first(temporary, target):
        beside.append(temporary)
        assert FeatureCache(store, KIND).find([*names(6), "other"], 5)[1].sum() == 6
        assert temporary.exists()
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", look_first)
    fill(store, prefix="other", seed=1)
    assert beside and FeatureCache(store, KIND).find(names(6, "other"), 5)[1].all()


def test_features_of_another_width_are_left_out(store, caplog):
    fill(store)
    assert not FeatureCache(store, KIND).find(names(6), 4)[1].any()
    assert "another kind" in caplog.text and "computed again" in caplog.text and len(packs(store)) == 1


def planted(store, content):
    """Puts content under the name that its digest gives it, beside the packs of KIND."""
    fs, _ = fsspec.core.url_to_fs(store)
    path = f"{packs(store)[0].rpartition('/')[0]}/{hashlib.sha256(content).hexdigest()}.arrow"
    fs.pipe_file(path, content)
    return path


def test_a_pack_that_cant_be_read_is_named_and_left_out(store, caplog):
    fs, _ = fsspec.core.url_to_fs(store)
    fill(store, prefix="other", kind={**KIND, "weights": "v"})
    (foreign,) = (fs.cat_file(path) for path in packs(store))
    fs.rm(packs(store))
    fill(store)
    whole = fs.cat_file(packs(store)[0])
    schema = pa.ipc.open_file(whole).schema
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, schema) as writer:
        writer.write_batch(pa.record_batch([pa.nulls(2, pa.string()), pa.nulls(2, pa.binary(10))], schema))
    contents = [b"", b"no pack", whole[: len(whole) // 2], whole[:-20] + bytes(20), foreign, buffer.getvalue()]
    for content in contents:
        caplog.clear()
        path = planted(store, content)
        assert FeatureCache(store, KIND).find([*names(6), *names(6, "other")], 5)[1].sum() == 6
        assert path.rpartition("/")[2] in caplog.text and "is left out and computed again" in caplog.text
        fs.rm(path)


def test_where_nothing_is_asked_nothing_is_read(tmp_path):
    (tmp_path / "store").write_text("no folder")
    cache = FeatureCache(str(tmp_path / "store"), KIND)
    with pytest.raises(GraftError):
        cache.find(names(1), 5)
    features, found = cache.find([], 5)
    assert features.shape == (0, 5) and found.shape == (0,)


@pytest.fixture
def reads(monkeypatch):
    """The files that have been read, as they are read."""
    begun, read = [], storage.read

    def counted(uri):
        begun.append(uri)
        return read(uri)

    monkeypatch.setattr(storage, "read", counted)
    return begun


def test_no_more_than_four_packs_are_in_memory(tmp_path, reads):
    store = str(tmp_path / "store")
    for number in range(12):
        fill(store, 2, f"n{number}-", seed=number)
    for done, _ in enumerate(FeatureCache(store, KIND)._packs(5)):
        time.sleep(0.05)  # reading ahead has all the time it wants
        assert len(reads) - done <= 4
    assert len(reads) == 12


def test_reading_ends_where_all_is_found(tmp_path, reads):
    store = str(tmp_path / "store")
    fill(store)
    for number in range(12):  # the same images are in all of them
        fill(store, 7 + number)
    assert FeatureCache(store, KIND).find(names(6), 5)[1].all()
    assert len(packs(store)) == 13 and len(reads) <= 3


def test_packs_are_written_when_full_or_after_a_while(store, monkeypatch):
    monkeypatch.setattr(packs_of, "PACK_BYTES", 100)
    cache = FeatureCache(store, KIND)
    for start in range(0, 100, 4):  # 40 bytes each
        cache.keep(names(100)[start : start + 4], vectors(100)[start : start + 4])
    cache.flush()
    assert len(packs(store)) == 9
    monkeypatch.setattr(packs_of, "PACK_SECONDS", 0.0)
    cache.keep(["late"], vectors(1))
    assert len(packs(store)) == 10, "what is computed is written before the pass is over"


def test_many_small_packs_become_one_and_say_the_same(store):
    for number in range(packs_of._FEW + 1):
        fill(store, 2, f"n{number}-", seed=number)
    FeatureCache(store, KIND).tidy(5)
    assert len(packs(store)) == 1
    for number in range(packs_of._FEW + 1):
        features, found = FeatureCache(store, KIND).find(names(2, f"n{number}-"), 5)
        assert found.all() and (features == vectors(2, number)).all()
    FeatureCache(store, KIND).tidy(5)
    assert len(packs(store)) == 1


def test_joining_keeps_a_pack_that_is_left_over_alone(store, monkeypatch):
    for number in range(packs_of._FEW + 1):
        fill(store, 2, f"n{number}-", seed=number)
    cache = FeatureCache(store, KIND)
    keep = cache.keep
    # Groups of eight packs, so that the seventeenth is written again as it was, under its own name.
    groups = iter(range(1, packs_of._FEW + 2))

    def keep_in_groups(names, features):
        keep(names, features)
        if next(groups) % 8 == 0:
            cache.flush()

    monkeypatch.setattr(cache, "keep", keep_in_groups)
    cache.tidy(5)
    for number in range(packs_of._FEW + 1):
        assert FeatureCache(store, KIND).find(names(2, f"n{number}-"), 5)[1].all()
    assert len(packs(store)) == 3


def test_packs_that_another_training_joins_meanwhile_are_found_in_what_it_made(store, monkeypatch):
    for number in range(packs_of._FEW + 1):
        fill(store, 2, f"n{number}-", seed=number)
    cache = FeatureCache(store, KIND)
    listed = cache._list()
    FeatureCache(store, KIND).tidy(5)
    lists = iter([listed])
    own = cache._list
    monkeypatch.setattr(cache, "_list", lambda: next(lists, None) or own())
    wanted = [name for number in range(packs_of._FEW + 1) for name in names(2, f"n{number}-")]
    assert cache.find(wanted, 5)[1].all()


def test_numbers_beyond_float16_become_its_largest_and_not_infinite():
    assert half(np.array([1e6, -1e6, 0.5], np.float32)).tolist() == [65504.0, -65504.0, 0.5]


def test_a_store_that_can_t_be_read_is_an_error_and_no_empty_cache(monkeypatch):
    with web_server(lambda *request: (403, {"error": {"code": 403, "message": "no"}})) as web:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", web.url)
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        fsspec.filesystem("gs").clear_instance_cache()
        with pytest.raises(GraftError, match=r"grant it roles/storage\.objectViewer"):
            FeatureCache("gs://b/store", KIND).find(names(1), 5)
    fsspec.filesystem("gs").clear_instance_cache()


def test_what_is_lacking_is_told_by_names_alone(store, monkeypatch, caplog):
    assert FeatureCache("", KIND).lacking(names(2)).all()
    fill(store)
    fill(store, prefix="other", seed=1)
    planted(store, b"no pack")
    cache = FeatureCache(store, KIND)
    monkeypatch.setattr(cache, "_read", lambda names: pytest.fail("rows were read"))
    asked = ["image3", "new", "other0", "image3"]
    assert cache.lacking(asked).tolist() == [False, True, False, False]
    assert FeatureCache(store, {**KIND, "cut": "mixed6"}).lacking(asked).all()
    assert "computed again" not in caplog.text and len(packs(store)) == 3


def test_what_is_lacking_is_looked_for_in_packs_that_another_run_joins_meanwhile(store, monkeypatch):
    for number in range(packs_of._FEW + 1):
        fill(store, 2, f"n{number}-", seed=number)
    cache = FeatureCache(store, KIND)
    listed, own = cache._list(), cache._list
    FeatureCache(store, KIND).tidy(5)
    lists = iter([listed])
    monkeypatch.setattr(cache, "_list", lambda: next(lists, None) or own())
    wanted = [name for number in range(packs_of._FEW + 1) for name in names(2, f"n{number}-")]
    assert not cache.lacking(wanted).any()


def test_two_that_tidy_at_once_while_a_third_writes_lose_nothing(store):
    """The steps of two runs, and a part of a third one."""
    for number in range(packs_of._FEW + 1):
        fill(store, 2, f"n{number}-", seed=number)
    threads = [threading.Thread(target=FeatureCache(store, KIND).tidy, args=(5,)) for _ in range(2)]
    threads.append(threading.Thread(target=fill, args=(store, 50, "part-"), kwargs={"seed": 99}))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(packs_of._FEW + 1):
        features, found = FeatureCache(store, KIND).find(names(2, f"n{number}-"), 5)
        assert found.all() and (features == vectors(2, number)).all()
    features, found = FeatureCache(store, KIND).find(names(50, "part-"), 5)
    assert found.all() and (features == vectors(50, 99)).all()


def test_rows_count_as_unwritten_until_their_pack_is(store):
    cache = FeatureCache(store, KIND)
    cache.keep(names(3), vectors(3))
    assert cache.unwritten == 3 and not packs(store)
    cache.flush()
    assert cache.unwritten == 0 and len(packs(store)) == 1
