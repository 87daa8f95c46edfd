"""Whatever an archive holds: no crash, nothing written outside of the output, no flood of memory."""

import contextlib
import io
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from fuzz import JPEG, REPEATED, mutations, watched
from hostile import FAILURES, run
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import image_files, pack

from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.folder_layout import read_layout
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.opening import open_files


def test_the_watch_sees_what_is_written_elsewhere(tmp_path):
    for write in (
        lambda: (tmp_path / "x").write_bytes(b""),
        lambda: (tmp_path / "y").mkdir(),
        lambda: (tmp_path / "x").rename(tmp_path / "z"),
        lambda: (tmp_path / "link").symlink_to("z"),
        lambda: (tmp_path / "z").unlink(),
    ):
        with pytest.raises(AssertionError), watched():
            write()


def read_all(path):
    """Reads an archive as ingest does; only what it raises to be told to people may come out."""
    try:
        with open_files(str(path)) as source:
            for member in source.paths():
                if member.endswith("/"):
                    continue
                with contextlib.suppress(UnreadableFileError):
                    assert isinstance(source.read(member), bytes)
            with contextlib.suppress(GraftError):
                read_layout(source.paths())
    except GraftError as error:
        assert "\n" not in str(error)


def packed(name, folder):
    files = {"train/a/0.jpg": JPEG, "train/b/1.jpg": bytes(5000), "x" * 150 + "/ü.jpg": b"2"}
    return pack(files, folder / name).read_bytes()


with tempfile.TemporaryDirectory() as _folder:
    ARCHIVES = {name: packed(name, Path(_folder)) for name in ("a.zip", "a.tar", "a.tar.gz")}
    with tarfile.open(Path(_folder, "p.tar"), "w", format=tarfile.PAX_FORMAT) as _pax:
        for _name, _headers, _content in (
            ("train/a/" + "long" * 60, {"comment": "ü" * 50, "GRAFT.x": "1"}, JPEG),
            (
                "x/1",
                {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "train/b/1"},
                b"1\n9\n4\n" + bytes(600),
            ),
            ("x/2", {"GNU.sparse.map": "0,1,9,4", "GNU.sparse.size": "13", "GNU.sparse.name": "train/b/2"}, b"sparse"),
        ):
            _member = tarfile.TarInfo(_name)
            _member.size, _member.pax_headers = len(_content), _headers
            _pax.addfile(_member, io.BytesIO(_content))
    ARCHIVES["pax.tar"] = Path(_folder, "p.tar").read_bytes()


def headers_of(content, name):
    """Where an archive's headers stand: mutations elsewhere change images only."""
    return (
        [at for at in range(len(content)) if content[at : at + 2] == b"PK"]
        if name.endswith("zip")
        else range(0, len(content), 512)
    )


@pytest.mark.parametrize("name", ARCHIVES)
@REPEATED
@given(data=st.data())
def test_damaged_archives(name, data):
    content = data.draw(mutations(ARCHIVES[name], list(ARCHIVES.values())))
    with watched() as folder:
        (folder / name).write_bytes(content)
        read_all(folder / name)


TAR_FIELDS = [100, 124, 148, 156, 257, 345]  # mode, size, checksum, type, magic, prefix
# Negative and huge numbers as GNU writes them, and such as Python's int() takes to be numbers.
TAR_NUMBERS = [b"\xff" * 10 + b"\xfe\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"-1\0", b"0_7\0", b"77777777777\0"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "pax.tar"])
@REPEATED
@given(data=st.data())
def test_damaged_headers(name, data):
    content = bytearray(ARCHIVES[name])
    heads = list(headers_of(content, name))
    for _ in range(data.draw(st.integers(1, 4))):
        fields = st.integers(0, 60) if name == "a.zip" else st.one_of(st.integers(0, 511), st.sampled_from(TAR_FIELDS))
        at = data.draw(st.sampled_from(heads)) + data.draw(fields)
        patch = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(TAR_NUMBERS)))
        content[at : at + len(patch)] = patch
    if name.endswith("tar") and data.draw(st.booleans()):  # with checksums put right, so that the rest is looked at
        for at in range(0, len(content) - 511, 512):
            if content[at + 257 : at + 262] == b"ustar":
                content[at + 148 : at + 156] = b" " * 8
                content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    with watched() as folder:
        (folder / name).write_bytes(content)
        read_all(folder / name)


HOSTILE = st.sampled_from(
    [
        "../x.jpg",
        "a/../../x",
        "/etc/x",
        "//x/y",
        "C:/x",
        "C:x",
        "..\\x",
        "\\\\host\\x",
        ".",
        "..",
        "a//b",
        "./a/x.jpg",
        "a/./b/x",
        "~/x",
        "a/" * 300 + "x",
        "a" * 300 + "/x",
        "a\n/x",
        "a\x1b[31m/x",
        "con/nul",
        "-rf/x",
        "a/b.",
        "train",
        "train/",
        "dataset.json",
    ]
)
NAMES = st.one_of(
    HOSTILE,
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.builds("{}/{}/{}".format, st.sampled_from(["train", "val", "a"]), st.sampled_from("ab"), st.integers(0, 30)),
)
MODES = st.sampled_from([0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, 0xF000])
TYPES = st.sampled_from([*(bytes([kind]) for kind in b"01234567LKSDgxX"), b"\0"])
CONTENTS = st.sampled_from([JPEG, b"", b"/etc/passwd", bytes(3000)])


def hostile_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, mode, _, content in members:
            member = zipfile.ZipInfo("x")
            member.filename, member.external_attr = name, (mode | 0o644) << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def hostile_tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, _, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("build", [hostile_zip, hostile_tar])
@settings(REPEATED, max_examples=80)
@given(members=st.lists(st.tuples(NAMES, MODES, TYPES, CONTENTS), min_size=1, max_size=6))
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_hostile_names_and_types(build, members):
    content = build(members)
    with watched() as folder:
        (folder / "archive").write_bytes(content)
        read_all(folder / "archive")


@settings(REPEATED, max_examples=25)
@given(names=st.lists(NAMES, min_size=1, max_size=5), as_zip=st.booleans())
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_ingest_writes_into_its_output_only(names, as_zip):
    files = [*image_files("train/a", "train/b", images=2).items(), *((name, JPEG) for name in names)]
    members = [(name, stat.S_IFREG, tarfile.REGTYPE, content) for name, content in files]
    with watched() as folder:
        (folder / "archive").write_bytes((hostile_zip if as_zip else hostile_tar)(members))
        try:
            ingest(
                str(folder / "archive"), folder / "dataset", IngestConfig(validation_fraction=0.5, max_bad_fraction=0.9)
            )
        except GraftError:
            assert sorted(path.name for path in folder.iterdir()) == ["archive", "tmp"]
        else:
            assert {path.suffix for path in (folder / "dataset").iterdir()} == {".json", ".parquet", ".tfrecord"}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_headers_that_would_take_memory_or_time_without_end():
    figures, told = run(seed=1, archives=600)
    assert told == [] and [figures[name] for name in FAILURES] == [0] * 5
    assert figures["accepted"] > 50 and figures["refused"] > 50
