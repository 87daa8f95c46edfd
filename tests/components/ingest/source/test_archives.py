"""The same images are the same dataset in any container; damaged and hostile archives are refused before anything is read."""

import gzip
import http.server
import io
import stat
import tarfile
import tracemalloc
import unicodedata
import uuid
import zipfile
import zlib

import fsspec
import pytest
from pictures import encoded, noise, pack, record, refusal, rows, split_files, stored, write_folder
from PIL import Image
from web import in_a_thread

from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.opening import open_files, open_source

ARCHIVES = ["source.zip", "source.tar", "source.tar.gz"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    return ingest(str(write_folder(folder / "source", split_files())), folder / "dataset")


def remote(files):
    """Puts files into fsspec's memory, a remote file system as far as Graft can tell."""
    uri = f"memory://{uuid.uuid4().hex}"
    for path, content in files.items():
        fsspec.filesystem("memory").pipe(f"{uri}/{path}", content)
    return uri


@pytest.mark.parametrize(
    "container", [*ARCHIVES, "folder", "file URI", "remote folder", "remote archive", "one folder down"]
)
def test_the_same_images_are_the_same_dataset(tmp_path, reference, container):
    files = split_files()
    if container in ARCHIVES:
        source = pack(files, tmp_path / container)
    elif container == "remote folder":
        source = remote(files)
    elif container == "remote archive":
        source = remote({"x.zip": pack(files, tmp_path / "x.zip").read_bytes()}) + "/x.zip"
    else:
        below = tmp_path / "source" / ("sub" if container == "one folder down" else "")
        write_folder(below, files)
        source = (tmp_path / "source").as_uri() if container == "file URI" else tmp_path / "source"
    result = ingest(str(source), tmp_path / "dataset")
    assert (result.digest, result.counts) == (reference.digest, reference.counts)
    assert len(rows(tmp_path / "dataset")) == 12


def called(folders, files=None):
    """The files of a source whose two classes are called otherwise."""
    names = dict(zip(("cats", "dogs"), folders, strict=True))
    return {
        path.replace(f"/{path.split('/')[1]}/", f"/{names[path.split('/')[1]]}/"): content
        for path, content in (files or split_files()).items()
    }


def zip_with(names, target, *, flag=0, extra=None, system=3):
    """Packs files whose names are given as bytes, as tools do that tell nothing of their encoding, or tell it their own way."""
    files = split_files()
    stand_ins = {f"{number:0{len(name) - 1}}x": name for number, name in enumerate(names)}
    with zipfile.ZipFile(target, "w") as packed:
        for stand_in, content in zip(stand_ins, files.values(), strict=True):
            member = zipfile.ZipInfo(stand_in)
            member.create_system = system
            member.extra = extra(stand_ins[stand_in]) if extra else b""
            packed.writestr(member, content)
    content = target.read_bytes()
    for stand_in, name in stand_ins.items():
        content = content.replace(stand_in.encode(), name)
    target.write_bytes(content)
    return target


def unicode_path(name):
    """Info-ZIP's extra field, which tells the name in UTF-8 beside one in code page 437."""
    told = b"\1" + zlib.crc32(name).to_bytes(4, "little") + name.decode("cp437").encode()
    return b"\x75\x70" + len(told).to_bytes(2, "little") + told


NAMED = {
    "UTF-8 without the flag": (("Äpfel", "梨"), "utf-8", "/", {}, []),
    "UTF-8 of a Mac": (("Äpfel", "thé"), "utf-8", "/", {"form": "NFD"}, []),
    "Unicode path": (("Äpfel", "élan"), "cp437", "/", {"extra": unicode_path}, []),
    "code page 437": (("Äpfel", "Birnen"), "cp437", "/", {}, ["437"]),
    "code page 932": (("能猫", "表犬"), "cp932", "/", {}, ["932"]),  # the second byte of 能 and 表 is a backslash
    "backslashes": (("cats", "dogs"), "ascii", "\\", {}, []),
    "backslashes in code page 932": (("能猫", "表犬"), "cp932", "\\", {"system": 0}, ["932"]),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_in_a_zip(tmp_path, name):
    classes, encoding, slash, options, told = NAMED[name]
    form = options.pop("form", "NFC")
    raw = [
        unicodedata.normalize(form, f"photos/{path}").replace("/", slash).encode(encoding) for path in called(classes)
    ]
    with open_source(str(zip_with(raw, tmp_path / "x.zip", **options)), IngestConfig()) as (files, layout):
        found = {(image.split, image.label, files.read(image.path)) for image in layout.images}
    files = called(classes)
    assert found == {(*path.split("/")[:2], content) for path, content in files.items()}
    assert layout.classes == sorted(classes)
    assert [any(f"read as code page {page} and may be mangled" in one for one in layout.warnings) for page in told] == [
        True
    ] * len(told)
    assert len(layout.warnings) == len(told)


def test_a_backslash_in_a_zip_of_unix_is_part_of_a_name(tmp_path):
    archive = pack({"cats/a.jpg": b"1", "dogs/b\\c.jpg": b"2", "we\\ird.jpg": b"3"}, tmp_path / "x.zip")
    with open_source(str(archive), IngestConfig()) as (_, layout):
        assert [image.path for image in layout.images] == ["cats/a.jpg", "dogs/b\\c.jpg"] and layout.ignored == [
            "we\\ird.jpg"
        ]


@pytest.mark.parametrize(("central", "local"), [("cats/1.jpg", "cats\\1.jpg"), ("Äpfel/1.jpg", "Ápfel/1.jpg")])
def test_a_name_that_stands_otherwise_before_the_file(tmp_path, central, local):
    archive = pack({central: b"content"}, tmp_path / "x.zip")
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(central.encode(), local.encode(), 1))
    with open_files(str(archive)) as source:
        assert source.read(central) == b"content"


def test_two_members_that_come_to_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        for name in ("cats\\1.jpg", "cats/1.jpg"):
            member = zipfile.ZipInfo(name)
            member.create_system = 0
            packed.writestr(member, b"")
    assert "two files 'cats/1.jpg'" in refusal(tmp_path / "x.zip", tmp_path / "dataset")


def test_a_tar_with_hard_links_is_the_folder(tmp_path):
    source = write_folder(tmp_path / "source", split_files())
    for name in ("again.jpg", "third.jpg"):
        (source / "train/cats" / name).hardlink_to(source / "train/cats/0.jpg")
    with tarfile.open(tmp_path / "source.tar", "w") as packed:
        packed.add(source, ".")
        assert sum(member.islnk() for member in packed.getmembers()) == 2
    folder = ingest(str(source), tmp_path / "folder")
    assert ingest(str(tmp_path / "source.tar"), tmp_path / "tar").digest == folder.digest
    assert folder.counts["train"]["cats"] == 5


def test_hard_links_are_no_bomb(tmp_path):
    with tarfile.open(tmp_path / "source.tar", "w") as packed:
        member = tarfile.TarInfo("train/cats/0.jpg")
        member.size = 2**20
        packed.addfile(member, io.BytesIO(bytes(2**20)))
        member.type, member.linkname = tarfile.LNKTYPE, member.name
        for number in range(100):
            member.name = f"train/cats/link-{number}.jpg"
            packed.addfile(member)
    assert "decompression bomb" in refusal(tmp_path / "source.tar", tmp_path / "dataset")


@pytest.mark.parametrize("container", ARCHIVES)
def test_empty_folders_and_junk_in_an_archive(tmp_path, container):
    more = {"train/@eaDir/x.jpg": b"no image", "train/cats/0.xmp": b"<xml>", "__MACOSX/train/cats/._0.jpg": b""}
    pack(split_files() | more, tmp_path / container, "train/birds/")
    with open_source(str(tmp_path / container), IngestConfig()) as (_, layout):
        assert len(layout.images) == 12 and layout.passed_over == {"*.xmp": 1, "@eaDir": 1, "__MACOSX": 1}
    assert layout.warnings == ["No images are in train/birds: fill such folders, or remove them."]


def test_names_and_order_do_not_matter_to_the_digest(tmp_path, reference):
    files = {
        path.replace("/0.", "/zz-").replace("/2.", "/aa [*?].{x}."): content for path, content in split_files().items()
    }
    shuffled = dict(reversed(files.items()))
    assert ingest(str(pack(shuffled, tmp_path / "x.tar")), tmp_path / "dataset").digest == reference.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("train/cats/0.jpg", "train/dogs/00.jpg"),
        ("train/cats/0.jpg", "validation/cats/00.jpg"),
        ("train/cats/0.jpg", None),
    ],
)
def test_labels_splits_and_content_do(tmp_path, reference, old, new):
    files = split_files()
    content = files.pop(old)
    files |= {new: content} if new else {old: encoded(noise(999))}
    assert ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset").digest != reference.digest


@pytest.mark.parametrize("path", ["nowhere", "file:///nope", "memory://nope", "zarathustra://x/y", "", "a::b"])
def test_missing_sources_and_unknown_schemes(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    assert path in refusal(path, tmp_path / "dataset")


@pytest.mark.parametrize("content", [b"", b"PK", b"\x1f\x8b", b"just text\n" * 100, b"PK\x03\x04" + bytes(600)])
def test_a_file_that_is_no_archive(tmp_path, content):
    (tmp_path / "source.zip").write_bytes(content)
    assert "source.zip" in refusal(tmp_path / "source.zip", tmp_path / "dataset")


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("part", [0.4, 0.9])
def test_a_truncated_archive(tmp_path, name, part):
    archive = pack(split_files(), tmp_path / name)
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * part)])
    assert "damaged" in refusal(archive, tmp_path / "dataset")


def test_a_tar_with_a_damaged_header_does_not_just_end_there(tmp_path):
    archive = pack(split_files(), tmp_path / "source.tar")
    with tarfile.open(archive) as tar:
        offset = tar.getmembers()[6].offset
    content = bytearray(archive.read_bytes())
    content[offset + 150] ^= 1  # in the header's checksum
    archive.write_bytes(content)
    assert "damaged" in refusal(archive, tmp_path / "dataset")


def without_end(archive):
    """A tar that ends with its last member."""
    content = archive.read_bytes()
    with tarfile.open(archive) as tar:
        last = tar.getmembers()[-1]
    return content[: last.offset_data + -(-last.size // 512) * 512]


def test_a_tar_without_an_end_is_taken_where_its_packing_has_one(tmp_path):
    archive = pack(split_files(), tmp_path / "source.tar")
    content = without_end(archive)
    (tmp_path / "packed.tar.gz").write_bytes(gzip.compress(content))
    ingest(str(tmp_path / "packed.tar.gz"), tmp_path / "packed", IngestConfig())
    ingest(str(archive), tmp_path / "whole", IngestConfig())
    assert record(tmp_path / "packed")["digest"] == record(tmp_path / "whole")["digest"]
    archive.write_bytes(content)
    assert "cut off; if it has all images, unpack it, and name the folder" in refusal(archive, tmp_path / "dataset")
    for end in (content[:-512], content[:-1], content + b"x" * 512):
        (tmp_path / "packed.tar.gz").write_bytes(gzip.compress(end))
        assert "damaged" in refusal(tmp_path / "packed.tar.gz", tmp_path / "dataset")


@pytest.mark.parametrize("name", ["source.zip", "source.tar"])
def test_of_several_files_of_one_name_the_last_counts_and_a_warning_names_them(tmp_path, name):
    files = split_files()
    path, other = sorted(files)[0], encoded(noise(99))
    archive = pack(files, tmp_path / name)
    if name.endswith("zip"):
        with zipfile.ZipFile(archive, "a") as added, pytest.warns(UserWarning, match="Duplicate name"):
            added.writestr(path, other)
            added.writestr(sorted(files)[1], files[sorted(files)[1]])  # the same once more
    else:
        with tarfile.open(archive, "a") as added:
            member = tarfile.TarInfo(path)
            member.size = len(other)
            added.addfile(member, io.BytesIO(other))
    ingest(str(archive), tmp_path / "dataset", IngestConfig())
    assert stored(tmp_path / "dataset")[path]["image/encoded"] == other
    (warning,) = [text for text in record(tmp_path / "dataset")["warnings"] if "several files" in text]
    assert warning.startswith(
        f"The archive has several files of each of these names, and the last one counts: {path}. If"
    )


def test_an_archive_without_repeated_names_warns_of_none(tmp_path):
    ingest(str(pack(split_files(), tmp_path / "source.tar")), tmp_path / "dataset", IngestConfig())
    assert not [text for text in record(tmp_path / "dataset")["warnings"] if "several files" in text]


@pytest.mark.parametrize(
    ("member", "kind"),
    [("xl/workbook.xml", "an Excel workbook"), ("META-INF/manifest.xml", "an OpenDocument file, as of LibreOffice")],
)
def test_a_spreadsheet_is_named_as_one(tmp_path, member, kind):
    document = tmp_path / "labels.xlsx"
    with zipfile.ZipFile(document, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(member, "<workbook/>")
    assert refusal(document, tmp_path / "dataset") == (
        f"{document} is {kind}, not an archive of images: save its table as .csv."
    )


def test_a_damaged_gzip(tmp_path):
    archive = pack(split_files(), tmp_path / "source.tar.gz")
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    assert "damaged" in refusal(archive, tmp_path / "dataset")


@pytest.mark.parametrize("name", ["../evil.jpg", "train/../../evil.jpg", "/evil.jpg", "..\\evil.jpg", "C:/evil.jpg"])
@pytest.mark.parametrize("container", ARCHIVES)
def test_members_that_would_land_outside(tmp_path, container, name):
    archive = tmp_path / container
    content = encoded(noise(0))
    if container.endswith(".zip"):
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(name, content)
    else:
        with tarfile.open(archive, "w:gz" if container.endswith("gz") else "w") as packed:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    assert "outside of its folder" in refusal(archive, tmp_path / "dataset")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path, kind):
    with tarfile.open(tmp_path / "source.tar", "w") as packed:
        member = tarfile.TarInfo("train/cats/0.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        packed.addfile(member)
    assert "link or a device" in refusal(tmp_path / "source.tar", tmp_path / "dataset")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as packed:
        member = zipfile.ZipInfo("train/cats/0.jpg")
        member.external_attr = (kind | 0o644) << 16
        packed.writestr(member, "/etc/passwd")
    assert "link or a device" in refusal(tmp_path / "source.zip", tmp_path / "dataset")


def test_a_tar_that_leads_backwards_does_not_go_round_forever(tmp_path):
    member = tarfile.TarInfo("train/cats/0.jpg")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # a size of -512, as GNU writes numbers
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "source.tar").write_bytes(bytes(header) + bytes(1024))
    assert "damaged" in refusal(tmp_path / "source.tar", tmp_path / "dataset")


@pytest.mark.parametrize("size", [2**33, 2**80])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_that_says_it_is_of_gigabytes(tmp_path, kind, size):
    member = tarfile.TarInfo("train/cats/0.jpg")
    member.type, member.size = kind, size
    (tmp_path / "source.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    tracemalloc.start()
    assert "damaged" in refusal(tmp_path / "source.tar", tmp_path / "dataset")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize("container", ["source.zip", "source.tar.gz"])
def test_decompression_bombs(tmp_path, container):
    archive = pack({"train/cats/0.jpg": bytes(20 * 2**20)}, tmp_path / container)
    assert archive.stat().st_size < 2**16
    assert "decompression bomb" in refusal(archive, tmp_path / "dataset")


@pytest.mark.parametrize("container", ["source.zip", "source.tar.gz"])
def test_bitmaps_that_compress_well_are_let_through(tmp_path, container):
    blank = Image.new("RGB", (1000, 1000))
    files = {f"train/{name}/{number}.bmp": encoded(blank, "BMP") for name in ("cats", "dogs") for number in range(4)}
    archive = pack(files, tmp_path / container)
    assert "raise --max-unpack-ratio" in refusal(archive, tmp_path / "dataset")
    with open_source(str(archive), IngestConfig(max_unpack_ratio=2000)) as (_, layout):
        assert len(layout.images) == 8


def test_a_bomb_that_lies_about_its_size(tmp_path):
    archive = pack(split_files() | {"train/cats/big.jpg": bytes(64 * 2**20)}, tmp_path / "source.zip")
    honest, lie = (64 * 2**20).to_bytes(4, "little"), (100).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(honest, lie))
    tracemalloc.start()
    sentence = refusal(archive, tmp_path / "dataset")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "'train/cats/big.jpg' is damaged in the archive" in sentence
    assert peak < 16 * 2**20


def test_a_gzip_of_something_else(tmp_path):
    (tmp_path / "source.tar.gz").write_bytes(gzip.compress(b"no tar at all" * 100))
    assert "not a folder, zip, tar or tar.gz" in refusal(tmp_path / "source.tar.gz", tmp_path / "dataset")


@pytest.mark.parametrize(
    ("change", "told"), [("encrypted", "is encrypted"), ("bzip2", "another method than deflate"), ("crc", "Bad CRC-32")]
)
def test_members_of_a_zip_that_can_not_be_read_are_named(tmp_path, change, told):
    files = split_files()
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as packed:
        for path, content in files.items():
            spoilt = path == "train/cats/1.jpg"
            packed.writestr(path, content, zipfile.ZIP_BZIP2 if spoilt and change == "bzip2" else zipfile.ZIP_STORED)
    content = bytearray((tmp_path / "source.zip").read_bytes())
    if change == "encrypted":
        entry = content.rindex(b"train/cats/1.jpg") - 46  # its entry in the central directory
        content[entry + 8] |= 1
    if change == "crc":
        content[content.index(files["train/cats/1.jpg"]) + 100] ^= 1
    (tmp_path / "source.zip").write_bytes(content)
    sentence = refusal(tmp_path / "source.zip", tmp_path / "dataset")
    assert "'train/cats/1.jpg'" in sentence and told in sentence and "1 of 12 files" in sentence


def test_an_archive_from_a_web_server_and_none_of_its_uris_secrets(tmp_path, reference):
    archive = pack(split_files(), tmp_path / "source.zip").read_bytes()
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(archive)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with in_a_thread(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        place = f"127.0.0.1:{server.server_port}/source.zip"
        assert "a user name or password" in refusal(f"http://ann:secret@{place}", tmp_path / "refused")
        assert not asked
        result = ingest(f"http://{place}?token=secret", tmp_path / "dataset")
    assert result.digest == reference.digest
    assert asked[-1] == "/source.zip?token=secret"
    assert record(tmp_path / "dataset")["source"] == f"http://{place}"
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "dataset").iterdir())


@pytest.mark.parametrize("name", ["source.tar", "source.tar.gz"])
def test_tars_one_behind_the_other_are_refused_and_not_read_in_part(tmp_path, name):
    archive = pack(split_files(), tmp_path / name)
    whole = archive.read_bytes()
    archive.write_bytes(whole + whole)
    assert "has another tar behind its end" in refusal(archive, tmp_path / "dataset")


def test_what_else_lies_behind_the_end_of_a_tar_plays_no_part(tmp_path, reference):
    archive = pack(split_files(), tmp_path / "source.tar")
    archive.write_bytes(archive.read_bytes() + b"signature" * 999)
    assert ingest(str(archive), tmp_path / "dataset").digest == reference.digest
