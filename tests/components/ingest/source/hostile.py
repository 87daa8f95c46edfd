"""Mutates headers and sizes of archives at random and reads them under a ceiling of memory and time, in processes of its own.

    python tests/components/ingest/source/hostile.py --archives 20000

Prints how many were read, and how many crashed, hung, wrote outside or were accepted wrongly, which fails it.
"""

import argparse
import contextlib
import gzip
import io
import itertools
import json
import multiprocessing
import random
import resource
import struct
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.ingest.source.folder_layout import read_layout
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.opening import open_files

MEMORY, SECONDS = 256 * 2**20, 5
"""What one archive may take above the interpreter's own."""
FAILURES = ("crashes", "hangs", "outside", "wrong", "floods")
NUMBERS = (0, 1, 2**7, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**33, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
CONTENTS = [bytes([number]) * (300 * number + 1) for number in range(6)]
NAMES = ["train/a/0.jpg", "train/b/1.jpg", "val/a/2.jpg", "val/b/3.jpg", "test/a/4.jpg", "test/b/5.jpg"]
STRANGE = ["", ".", "a" * 300 + "/b", "ü/é.jpg", "a\\b", "../x", "/x", "C:/x"]


def names(random):
    return [random.choice(STRANGE) if random.random() < 0.05 else name for name in NAMES]


def tar(random):
    """Returns a tar with extensions of any number, some of them endless, and sizes of any."""
    blocks = []
    for name, content in zip(names(random), CONTENTS, strict=True):
        for _ in range(random.choice((0,) * 30 + (1, 2, 20, 400))):
            blocks.append(random.choice(EXTENSIONS))
        member = tarfile.TarInfo(name)
        member.size = len(content)
        member.type = random.choice(
            (tarfile.REGTYPE,) * 40 + (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE, b"V")
        )
        member.linkname = random.choice((*NAMES, *STRANGE))
        blocks.append(member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512))
    content = bytearray(b"".join(blocks) + bytes(1024))
    for _ in range(random.choice((0, 1, 3))):
        at = 512 * random.randrange(len(content) // 512)
        field, length = random.choice(((124, 12), (100, 8), (136, 12), (345, 155), (483, 12), (386, 12), (156, 1)))
        number = random.choice(NUMBERS)
        value = random.choice(
            (b"\x80" + number.to_bytes(11, "big"), b"%011o\0" % number, b"\xff" * 11 + b"\0", random.randbytes(12))
        )
        content[at + field : at + field + length] = value[:length].ljust(length, b"\0")
        content[at + 148 : at + 156] = b" " * 8
        content[at + 148 : at + 156] = b"%06o\0 " % (sum(content[at : at + 512]) % 8**6)
    return bytes(content)


def extension(random):
    """Returns a header before a member: a long name, or attributes well-formed or not."""
    kind = random.choice((tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE))
    size = random.choice((0, 5, 512, 2000, 2**16))
    key = random.choice(
        (
            b"path",
            b"size",
            b"linkpath",
            b"comment",
            b"hdrcharset",
            b"GNU.sparse.map",
            b"GNU.sparse.major",
            b"GNU.sparse.size",
        )
    )
    value = random.choice(
        (b"%d" % random.choice(NUMBERS), b"1" * size, b"BINARY", b"0,1,9,4", b"a/" * (size // 2), b"\xff\xfe")
    )
    record = b" %s=%s\n" % (key, value)
    content = random.choice(
        (b"%d%s" % (len(record) + len(str(len(record))), record), b"2 " * (size // 2) + b"=", b"1" * size, b"name\0")
    )
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, len(content)
    return head.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


EXTENSIONS = [extension(random.Random(number)) for number in range(500)]


def zipped(random):
    """Returns a zip whose directory says anything, also of 64 bits."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in zip(names(random), CONTENTS, strict=True):
            member = zipfile.ZipInfo("x")
            member.filename = name
            archive.writestr(member, content)
    content = bytearray(buffer.getvalue())
    heads = [at for at in range(len(content) - 4) if content[at : at + 4] in (b"PK\1\2", b"PK\3\4", b"PK\5\6")]
    for _ in range(random.choice((0, 1, 2, 5))):
        at = random.choice(heads) + random.choice((8, 10, 12, 16, 18, 20, 22, 24, 26, 28, 30, 32, 38, 42))
        size = random.choice((2, 4))
        content[at : at + size] = (random.choice(NUMBERS) % 2 ** (8 * size)).to_bytes(size, "little")
    if random.random() < 0.3:  # a directory of 64 bits
        fields = [random.choice((0, 6, *NUMBERS)) for _ in range(4)]
        content += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *fields)
        content += struct.pack("<4sLQL", b"PK\6\7", 0, random.choice((len(content) - 56, *NUMBERS)), 1)
        content += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return bytes(content)


def gzipped(random):
    """Returns a tar.gz, cut, damaged or followed by anything, or a bomb."""
    content = bytearray(gzip.compress(tar(random) if random.random() < 0.98 else bytes(2**25), 1))
    for _ in range(random.choice((0, 0, 1, 3))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return bytes(content[: random.choice((None, None, len(content) // 2))]) + random.choice(
        (b"", b"", b"\0" * 99, random.randbytes(40))
    )


BUILDERS = {"zip": zipped, "tar": tar, "tar.gz": gzipped}


def wrongly_accepted(path, member, content):
    """Tells of a member whose bytes are not what the standard library reads by that name, or that leads outside."""
    if ".." in member.replace("\\", "/").split("/") or member.startswith("/"):
        return True
    return path.suffix == ".zip" and zlib.crc32(content) not in {info.CRC for info in zipfile.ZipFile(path).infolist()}


def read(path):
    """Reads an archive as ingest does; returns what came of it."""
    try:
        with open_files(str(path)) as source:
            wrong = False
            for member in source.paths():
                if not member.endswith("/"):
                    with contextlib.suppress(UnreadableFileError):
                        wrong |= wrongly_accepted(path, member, source.read(member))
            with contextlib.suppress(GraftError):
                read_layout(source.paths())
            return "wrong" if wrong else "accepted"
    except GraftError as error:
        return "wrong" if "\n" in str(error) else "refused"


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(seed, archives):
    """Reads archives made from a seed, and returns the figures."""
    found = dict.fromkeys(("read", "accepted", "refused", *FAILURES), 0)
    chosen, told = random.Random(seed), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "inner")
        folder.mkdir()
        usual, tempfile.tempdir = tempfile.tempdir, str(folder)
        for number, (kind, build) in zip(range(archives), itertools.cycle(BUILDERS.items())):
            path = Path(name, f"a.{kind}")
            path.write_bytes(build(chosen))
            before, start = peak(), time.process_time()
            try:
                found[read(path)] += 1
            except Exception as error:
                found["crashes"] += 1
                told.append(f"{seed}/{number} {kind}: {error!r}")
            took = time.process_time() - start
            found["read"] += 1
            found["hangs"] += took > SECONDS
            found["floods"] += peak() - before > MEMORY
            if took > SECONDS:
                told.append(f"{seed}/{number} {kind}: {took:.1f} s")
            found["outside"] += {*Path(name).iterdir()} != {path, folder} or any(folder.iterdir())
            path.unlink()
        tempfile.tempdir = usual
    return found, told


def limited(arguments):
    """Does so within an address space that leaves an archive no more than it may take."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * MEMORY, resource.RLIM_INFINITY))
    return run(*arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archives", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    parts = [(options.seed + part, 100) for part in range(options.archives // 100)]
    total = dict.fromkeys(run(0, 0)[0], 0)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for found, told in pool.imap_unordered(limited, parts):
            total = {name: total[name] + found[name] for name in total}
            print(*told, sep="\n", end="\n" if told else "")
    print(json.dumps(total))
    sys.exit(any(total[name] for name in FAILURES))
