"""Headers of archives that would take memory or time without end: each is refused in one sentence, or is one bad file."""

import io
import struct
import tarfile
import time
import tracemalloc
import zipfile

import pytest
from fuzz import JPEG
from pictures import refusal, split_files

from graft.components.common.errors import GraftError
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.opening import open_files

END = bytes(1024)


def header(name="train/cats/0.jpg", size=0, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def extension(kind, content):
    return header("x", len(content), kind) + content + bytes(-len(content) % 512)


def record_of(name, value):
    text = b" %s=%s\n" % (name, value)
    return next(
        b"%d%s" % (size, text) for size in range(len(text), len(text) + 9) if len(b"%d%s" % (size, text)) == size
    )


def read(folder, content):
    """Returns what a tar holds, and how much memory and CPU time that took."""
    (folder / "source").write_bytes(content)
    tracemalloc.start()
    start = time.process_time()
    try:
        with open_files(str(folder / "source")) as files:
            return files.paths()
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200 * 2**20
        assert time.process_time() - start < 5


SIZE = 2**16
ENDLESS = {
    "long names one after the other": extension(tarfile.GNUTYPE_LONGNAME, b"name\0") * 3000,
    "a long run of digits": extension(tarfile.XHDTYPE, b"1" * SIZE),
    "a name of digits": extension(tarfile.XHDTYPE, record_of(b"path", b"1" * SIZE)),
    "attributes within attributes": extension(tarfile.XHDTYPE, b"2 " * (SIZE // 2) + b"=="),
    "an attribute longer than all": extension(tarfile.XHDTYPE, b"99999 path=a\n"),
    "a map of holes without end": extension(
        tarfile.XHDTYPE, record_of(b"GNU.sparse.major", b"1") + record_of(b"GNU.sparse.minor", b"0")
    )
    + header("x", 2**21)
    + b"999999999\n"
    + b"1\n" * 2**20,
    **{f"a size of 2^{power}": header(size=2**power) for power in (62, 63, 70)},
    **{
        f"an attribute of size 2^{power}": extension(tarfile.XHDTYPE, record_of(b"size", b"%d" % 2**power))
        for power in (62, 63, 70)
    },
}


@pytest.mark.parametrize("front", ENDLESS.values(), ids=ENDLESS)
def test_a_tar_whose_headers_would_take_forever(tmp_path, front):
    with pytest.raises(GraftError, match=r"source is not .* or it is damaged .*: check the file") as error:
        read(tmp_path, front + header() + END)
    assert "\n" not in str(error.value)


def test_attributes_that_do_not_matter_are_passed_over(tmp_path):
    everyone = b"".join(record_of(b"GRAFT.%d" % number, b"x" * 99) for number in range(1000))
    digits = record_of(b"comment", b"1" * SIZE)
    named = record_of(b"path", "train/cats/ü.jpg".encode()) + digits
    members = [extension(tarfile.XHDTYPE, named) + header() for _ in range(200)]
    found = read(tmp_path, extension(tarfile.XGLTYPE, everyone) + b"".join(members) + header("train/x/1.jpg") + END)
    assert found == ["train/cats/ü.jpg", "train/x/1.jpg"]


def test_a_sparse_file_that_leads_backwards(tmp_path):
    sparse = bytearray(header(kind=tarfile.GNUTYPE_SPARSE))
    sparse[124:136] = b"\xff" * 10 + b"\xfc\x00"  # a size of -1024
    sparse[483:495] = b"%011o\0" % 9
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    with pytest.raises(GraftError, match="damaged"):
        read(tmp_path, header() + bytes(sparse) + END)


def entry(name, size=0, packed=0, offset=0, extra=b""):
    """A member in a zip's directory."""
    numbers = (0, packed, size, len(name), len(extra), 0, 0, 0, 0, offset)
    return struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 33, *numbers) + name + extra


def zip_of(entries, told=None):
    directory = b"".join(entries)
    count = (len(entries) if told is None else told) & 0xFFFF
    return directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), 0, 0)


@pytest.mark.parametrize("told", [None, 1])
def test_a_zip_of_too_many_members(tmp_path, told):
    with pytest.raises(GraftError, match=r"more than 250,000 members.*: unpack it, and make the folder the source"):
        read(tmp_path, zip_of([entry(b"train/a/%06x" % number) for number in range(250_001)], told))


@pytest.mark.parametrize("container", ["zip", "tar"])
def test_an_archive_of_too_long_names(tmp_path, container):
    names = [b"%04d/" % number + b"a" * 65_000 for number in range(1000)]
    if container == "zip":
        content = zip_of([entry(name) for name in names])
    else:
        content = b"".join(extension(tarfile.GNUTYPE_LONGNAME, name) + header() for name in names)
    with pytest.raises(GraftError, match=r"names of more than 64,000,000 bytes: unpack it"):
        read(tmp_path, content)


@pytest.mark.parametrize("power", [62, 63])
@pytest.mark.parametrize("field", ["size", "packed", "offset"])
def test_a_zip_with_a_number_of_64_bits(tmp_path, field, power):
    extra = struct.pack("<HHQ", 1, 8, 2**power)
    strange, whole = entry(b"train/cats/0.jpg", **{field: 0xFFFFFFFF}, extra=extra), entry(b"train/dogs/0.jpg")
    (tmp_path / "source.zip").write_bytes(zip_of([strange, whole]))
    told = {"size": "like a decompression bomb", "packed": "is damaged in the archive", "offset": "outside of the file"}
    assert told[field] in refusal(tmp_path / "source.zip", tmp_path / "dataset")


@pytest.mark.parametrize("container", ["source.zip", "source.tar"])
def test_a_member_without_a_name_is_no_image(tmp_path, container):
    files = {**split_files(), "": JPEG}
    if container.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / container, "w") as archive:
            for name, content in files.items():
                member = zipfile.ZipInfo("x")
                member.filename = name
                archive.writestr(member, content)
    else:
        with tarfile.open(tmp_path / container, "w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    assert ingest(str(tmp_path / container), tmp_path / "dataset").counts["train"] == {"cats": 3, "dogs": 3}
