"""Whatever an archive or a manifest holds: no crash, nothing written outside of the output, no flood of memory."""

import contextlib
import io
import itertools
import json
import os
import stat
import sys
import tarfile
import tempfile
import tracemalloc
import zipfile
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import encoded, image_files, noise, pack

from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.layout import read_layout
from graft.components.ingest.manifest import open_manifest
from graft.components.ingest.source import UnreadableFileError, open_source

MAX_MEMORY = 48 * 2**20  # three times what an archive may unpack to whatever its weight
REPEATED = settings(
    derandomize=True,
    database=None,
    max_examples=200,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CANARY = b"not yours"
JPEG = encoded(noise(0))
NUMBERS = itertools.count()

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
        with open_source(str(path)) as source:
            for member in source.paths():
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
        _member = tarfile.TarInfo("train/a/" + "long" * 60)
        _member.size, _member.pax_headers = len(JPEG), {"comment": "ü" * 50, "GRAFT.x": "1"}
        _pax.addfile(_member, io.BytesIO(JPEG))
    ARCHIVES["pax.tar"] = Path(_folder, "p.tar").read_bytes()


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


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "pax.tar"])
@REPEATED
@given(data=st.data())
def test_damaged_headers(name, data):
    content = bytearray(ARCHIVES[name])
    heads = list(headers_of(content, name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.sampled_from(heads)) + data.draw(st.integers(0, 60 if name == "a.zip" else 511))
        patch = data.draw(st.binary(min_size=1, max_size=8))
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
    ]
    + [
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
@settings(REPEATED, max_examples=120)
@given(members=st.lists(st.tuples(NAMES, MODES, TYPES, CONTENTS), min_size=1, max_size=6))
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_hostile_names_and_types(build, members):
    content = build(members)
    with watched() as folder:
        (folder / "archive").write_bytes(content)
        read_all(folder / "archive")


@settings(REPEATED, max_examples=40)
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


URIS = st.one_of(
    st.sampled_from(
        [
            "a.jpg",
            "./a.jpg",
            "b/c.jpg",
            "../canary",
            "../../canary",
            "{root}/canary",
            "file://{root}/canary",
            "local://{root}/canary",
        ]
    ),
    st.sampled_from(
        [
            "gs://b/a.jpg",
            "https://u:p@h/a?b#c",
            "http://[::1",
            "s3://b",
            "gs://",
            "://",
            "::",
            "zip://a::file://{root}/canary",
            "a::file://{root}/canary",
        ]
    ),
    st.sampled_from(
        [
            "FILE://{root}/canary",
            "dir://{root}/canary",
            "simplecache::{root}/canary",
            "memory://x/y",
            "~/a",
            "x" * 5000,
            "/",
            ".",
            "..",
            "\n",
            "%2e%2e/canary",
        ]
    ),
    st.text(max_size=20),
)
SPLITS = st.sampled_from(["", "train", "training", "validation", "val", "test", "UNASSIGNED", "dev", " Train "])
TEXTS = st.one_of(
    st.sampled_from(["cat", "dog", "ünïcode", '"', "a,b", "a\nb", "\ud800", "\0", "\ufeff", "x" * 200]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.one_of(
    st.sampled_from(
        [["uri", "label"], ["uri", "label", "split"], ["split", "uri", "label", "x"], ["Label", "URI", "y", "z"], []]
    ),
    st.lists(st.one_of(st.sampled_from(["uri", "label", "split", "sha256", "x", ""]), TEXTS), max_size=5),
)
CELLS = st.one_of(URIS, SPLITS, TEXTS, st.sampled_from(["cat", "dog"]))


def csv_line(cells):
    return ",".join(cell if cell.isalnum() else '"' + cell.replace('"', '""') + '"' for cell in cells)


SOUND_URIS = st.one_of(
    st.sampled_from(["a.jpg", "./a.jpg", "b/c.jpg", "gs://b/a.jpg", "https://u:p@h/a?b#c"]),
    st.integers(0, 99).map("folder/{}.jpg".format),
)
LABELS = st.sampled_from(["cat", "dog"])


def sound_rows(*cells):
    """Strategy of rows of a manifest with nothing wrong with it, most of the time."""
    return st.lists(st.tuples(SOUND_URIS, LABELS, *cells), min_size=3, max_size=8, unique_by=lambda row: row[0])


CSV = st.builds(
    lambda table, end: end.join(csv_line(row) for row in [table[0], *table[1]]) + end,
    st.one_of(
        st.tuples(st.just(["uri", "label"]), sound_rows()),
        st.tuples(
            st.just(["URI", "Label", "x", "split"]), sound_rows(TEXTS, st.sampled_from(["", "train", "unassigned"]))
        ),
        st.tuples(st.just(["training", "first.jpg", "cat"]), sound_rows()),
        st.tuples(st.just(["uri", "label"]), st.lists(st.tuples(URIS, LABELS), min_size=2, max_size=8)),
        st.tuples(HEADERS, st.lists(st.lists(CELLS, max_size=5), max_size=8)),
        st.tuples(HEADERS, st.lists(st.tuples(SPLITS, URIS, LABELS), max_size=8)),
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
ROWS = st.one_of(
    st.fixed_dictionaries(
        {"uri": URIS, "label": st.sampled_from(["cat", "dog"])}, optional={"split": SPLITS, "x": VALUES}
    ),
    st.fixed_dictionaries(
        {"imageGcsUri": URIS, "classificationAnnotation": st.fixed_dictionaries({"displayName": TEXTS})},
        optional={
            "dataItemResourceLabels": st.dictionaries(
                st.sampled_from(["aiplatform.googleapis.com/ml_use", "x"]), SPLITS
            )
        },
    ),
    st.dictionaries(
        st.sampled_from(
            ["uri", "label", "split", "imageGcsUri", "classificationAnnotation", "dataItemResourceLabels", "x", ""]
        ),
        VALUES,
    ),
    VALUES,
)
SOUND_ROWS = sound_rows(st.dictionaries(st.sampled_from("xyz"), VALUES)).map(
    lambda rows: [{"uri": uri, "label": label, **further} for uri, label, further in rows]
)
JSONL = st.one_of(SOUND_ROWS, st.lists(ROWS, max_size=8)).map(lambda rows: "\n".join(json.dumps(row) for row in rows))
RAW = st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))


@st.composite
def manifests(draw):
    suffix = draw(st.sampled_from(["csv", "jsonl"]))
    content = draw(
        st.one_of((CSV if suffix == "csv" else JSONL).map(lambda text: text.encode("utf-8", "surrogatepass")), RAW)
    )
    if content and draw(st.integers(0, 3)) == 0:
        content = draw(mutations(content, [content]))
    return suffix, content


def read_images(uri):
    try:
        images, layout = open_manifest(uri)
    except GraftError as error:
        assert "\n" not in str(error)
        return []
    assert {len(item.columns) for item in layout.items} == {len(layout.columns)}
    assert len(set(images.paths())) == len(layout.items)
    contents = []
    for path in images.paths():
        path.encode()
        assert isinstance(images.version(path), str)
        if not path.startswith(("gs:", "gcs:", "s3", "http")):  # nothing is asked for over the net
            with contextlib.suppress(UnreadableFileError):
                contents.append(images.read(path))
    return contents


@settings(REPEATED, max_examples=300)
@given(manifest=manifests())
def test_manifests(manifest):
    suffix, content = manifest
    with watched() as folder:
        content = content.replace(b"{root}", str(folder.parent).encode())
        (folder / "a.jpg").write_bytes(JPEG)
        (folder / f"m.{suffix}").write_bytes(content)
        assert set(read_images(str(folder / f"m.{suffix}"))) <= {JPEG, CANARY, content}


@settings(REPEATED, max_examples=300)
@given(manifest=manifests())
def test_remote_manifests_never_lead_to_local_files(manifest):
    suffix, content = manifest
    remote = fsspec.filesystem("memory")
    with watched() as folder:
        content = content.replace(b"{root}", str(folder.parent).encode())
        place = f"memory://fuzz-{next(NUMBERS)}"
        remote.pipe({f"{place}/a.jpg": JPEG, f"{place}/m.{suffix}": content})
        try:
            assert set(read_images(f"{place}/m.{suffix}")) <= {JPEG, content}
        finally:
            remote.rm(place, recursive=True)


def test_many_of_the_drawn_manifests_are_sound():
    accepted = []

    @settings(REPEATED, max_examples=100)
    @given(manifest=manifests())
    def count(manifest):
        with watched() as folder, contextlib.suppress(GraftError):
            path = folder / f"m.{manifest[0]}"
            path.write_bytes(manifest[1])
            accepted.append(open_manifest(str(path)))

    count()
    assert len(accepted) >= 20
