"""What the fuzz tests share: strategies of damage, and a watch over what is written and how much memory is taken."""

import contextlib
import os
import sys
import tempfile
import tracemalloc
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pictures import encoded, noise

MAX_MEMORY = 48 * 2**20  # three times what an archive may unpack to whatever its weight
REPEATED = settings(
    derandomize=True,
    database=None,
    max_examples=75,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CANARY = b"not yours"
JPEG = encoded(noise(0))

# Audit hooks can't be taken away again, so there is one, which looks only while a folder is watched.
WATCHED: list[str] = []
OUTSIDE: list[str] = []
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_EVENTS = {
    "os.mkdir": 0,
    "os.rename": 1,
    "os.link": 1,
    "os.symlink": 1,
    "os.truncate": 0,
    "os.chmod": 0,
    "os.chown": 0,
    "os.remove": 0,
    "os.rmdir": 0,
}


def _watch(event, arguments):
    if not WATCHED or not (event in _EVENTS or (event == "open" and arguments[2] & _WRITES)):
        return
    path = arguments[_EVENTS.get(event, 0)]
    directory = (
        arguments[-1] if event in ("os.remove", "os.rmdir") else -1
    )  # shutil.rmtree names files by their folder's number
    if isinstance(path, int) or directory >= 0:
        return
    if not Path(os.fsdecode(path)).absolute().is_relative_to(WATCHED[0]) or ".." in Path(os.fsdecode(path)).parts:
        OUTSIDE.append(f"{event} {path!r}")


sys.addaudithook(_watch)


@contextlib.contextmanager
def watched():
    """A folder for all that is written, temporary files too; whatever is written elsewhere, or takes too much memory, fails the test."""
    with tempfile.TemporaryDirectory(prefix="graft-fuzz-") as name:
        folder = Path(name, "folder")
        (folder / "tmp").mkdir(parents=True)
        Path(name, "canary").write_bytes(CANARY)
        usual = tempfile.tempdir
        OUTSIDE.clear()
        tracemalloc.start()
        try:
            tempfile.tempdir = str(folder / "tmp")
            WATCHED.append(str(folder))
            yield folder
        finally:
            WATCHED.clear()
            tempfile.tempdir = usual
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert OUTSIDE == []
        assert sorted(Path(name).iterdir()) == [Path(name, "canary"), folder]
        assert Path(name, "canary").read_bytes() == CANARY
        assert list((folder / "tmp").iterdir()) == []
        assert peak < MAX_MEMORY


def mutations(content, donors):
    """Strategy of content with bits flipped, cut off, doubled, or spliced with parts of donors."""
    place = st.integers(0, len(content) - 1)
    word = st.sampled_from(
        [
            b"\xff" * 4,
            b"\x00" * 4,
            b"\xff\xff\xff\x7f",
            b"\x00\x00\x00\x80",
            b"PK\x03\x04",
            b"PK\x01\x02",
            b"PK\x05\x06",
            b"PK\x06\x06",
            b"PK\x06\x07",
            b"ustar",
            b"GNU",
            b"SCHILY",
            b"77777777777",
            b"\x80" + b"\xff" * 11,
            b"../",
            b"/",
        ]
    )
    part = st.sampled_from(donors).flatmap(
        lambda donor: st.tuples(st.integers(0, len(donor)), st.integers(1, 600)).map(
            lambda cut: donor[cut[0] : cut[0] + cut[1]]
        )
    )
    steps = st.one_of(
        st.tuples(st.just("flip"), place, st.integers(0, 7)),
        st.tuples(st.just("overwrite"), place, st.one_of(word, part, st.binary(min_size=1, max_size=8))),
        st.tuples(st.just("insert"), place, st.one_of(word, part)),
        st.tuples(st.just("cut out"), place, st.integers(1, 600)),
        st.tuples(st.just("cut off"), place, st.none()),
    )

    def apply(steps):
        changed = bytearray(content)
        for kind, start, what in steps:
            start = min(start, len(changed))
            if kind == "flip" and start < len(changed):
                changed[start] ^= 1 << what
            elif kind == "overwrite":
                changed[start : start + len(what)] = what
            elif kind == "insert":
                changed[start:start] = what
            elif kind == "cut out":
                del changed[start : start + what]
            elif kind == "cut off":
                del changed[start:]
        return bytes(changed)

    return st.lists(steps, min_size=1, max_size=6).map(apply)
