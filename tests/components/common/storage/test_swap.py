"""A file that is replaced by who has seen its latest content, and by nobody else."""

import functools
from concurrent.futures import ThreadPoolExecutor

import pytest

from graft.components.common.errors import GraftError
from graft.components.common.storage.swap import Seen, look, swap


@pytest.fixture(
    params=["local", pytest.param("gs", marks=pytest.mark.slow), pytest.param("s3", marks=pytest.mark.slow)]
)
def place(request, tmp_path):
    """A folder's path or URI."""
    fixtures = {"gs": "bucket", "s3": "s3_bucket"}
    return request.getfixturevalue(fixtures[request.param]) if request.param in fixtures else str(tmp_path)


def test_who_has_seen_the_latest_replaces_it(place):
    file = f"{place}/models/pets/latest.json"
    nothing = look(file)
    assert nothing == Seen(None)
    assert swap(file, nothing, b"1")
    assert not swap(file, nothing, b"2")
    first = look(file)
    assert first.content == b"1"
    assert swap(file, first, b"3")
    assert not swap(file, first, b"4")
    assert look(file).content == b"3"


def test_what_was_removed_was_changed(tmp_path):
    file = tmp_path / "latest.json"
    assert swap(str(file), Seen(None), b"1")
    seen = look(str(file))
    file.unlink()
    assert not swap(str(file), seen, b"2") and not file.exists()


def test_what_killed_processes_left_of_it_goes(tmp_path):
    left, others = tmp_path / ".latest.json.0a1b.part", tmp_path / ".other.json.0a1b.part"
    for file in (left, others):
        file.write_bytes(b"{")
    place = str(tmp_path / "latest.json")
    assert swap(place, look(place), b"1")
    assert not left.exists() and others.exists()


def test_of_many_at_once_one_wins(place):
    file = f"{place}/latest.json"
    for turn in range(3):
        contents = [f"{turn} {number}".encode() for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(functools.partial(swap, file, look(file)), contents))
        assert won.count(True) == 1 and look(file).content == contents[won.index(True)]


def test_other_storage_is_refused():
    with pytest.raises(GraftError, match=r"memory://x can't be replaced safely: use a local folder, gs:// or s3://"):
        look("memory://x")


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_refused(bucket):
    with pytest.raises(GraftError, match="gs://no-such-bucket"):
        swap("gs://no-such-bucket/latest.json", Seen(None), b"1")
