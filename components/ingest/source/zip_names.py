"""The names in a zip: in which encoding they are is told by few who write zips, and some separate folders as Windows does."""

import re
import struct
import zipfile
import zlib
from collections.abc import Sequence

from graft.components.common.errors import GraftError

_IS_UTF_8 = 0x800
_UNICODE_PATH = 0x7075  # of Info-ZIP, https://libzip.org/specifications/extrafld.txt
_UNIX = 3
# What a zip's names are in if nothing tells (APPNOTE.TXT, appendix D), and what Windows writes in Japan.
STANDARD, JAPANESE = "cp437", "cp932"
# No Japanese word: a character of another script, or one glued to a Latin letter, as code page 437 looks in code page 932.
_NOT_JAPANESE = re.compile(
    r"[^\x00-\x7f\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]|[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]"
)
_SEPARATOR = re.compile(r"[/\\]")


def member_names(members: Sequence[zipfile.ZipInfo]) -> tuple[list[str], str]:
    """Returns the names of a zip's members, with slashes between folders, and the encoding that was guessed for them.

    A name is what its flag or its Unicode path field says. Where neither says anything, all names of the archive are UTF-8 if they can be.
    Else they are in code page 932 if that makes Japanese words of all folders, and in code page 437 if not.

    Args:
        members: As `zipfile` read them.

    Returns:
        The names, and the code page; empty if nothing was guessed.

    Raises:
        GraftError: Two members come to the same name, though the archive calls them otherwise.
    """
    told = [_told(member) for member in members]
    raw = [member.orig_filename.encode(STANDARD) for member, name in zip(members, told, strict=True) if name is None]
    encoding = next(
        encoding for encoding in ("utf-8", JAPANESE, STANDARD) if all(_is_text(one, encoding) for one in raw)
    )
    decoded = iter([one.decode(encoding) for one in raw])
    names = [(next(decoded) if name is None else name).partition("\0")[0] for name in told]
    has_slashes = any("/" in name for name in names)
    names = [
        name.replace("\\", "/") if "/" not in name and (member.create_system != _UNIX or not has_slashes) else name
        for member, name in zip(members, names, strict=True)
    ]
    called: dict[str, str] = {}
    for member, name in zip(members, names, strict=True):
        if called.setdefault(name, member.orig_filename) != member.orig_filename:
            raise GraftError(
                f"The archive has two files {name!r}, under names that are written otherwise: pack it anew."
            )
    return names, "" if encoding == "utf-8" else encoding


def _told(member: zipfile.ZipInfo) -> str | None:
    """Returns a member's name if the zip tells its encoding."""
    if member.flag_bits & _IS_UTF_8:
        return member.orig_filename
    extra = member.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            raw = member.orig_filename.encode(STANDARD)
            if int.from_bytes(content[1:5], "little") == zlib.crc32(raw) and _is_text(content[5:], "utf-8"):
                return content[5:].decode()
    return None


def _is_text(name: bytes, encoding: str) -> bool:
    try:
        text = name.decode(encoding)
    except UnicodeDecodeError:
        return False
    return encoding != JAPANESE or not any(map(_NOT_JAPANESE.search, _SEPARATOR.split(text)[:-1]))
