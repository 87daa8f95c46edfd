"""PNGs that every decoder reads alike (https://www.w3.org/TR/png-3/)."""

import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
# What makes an image transparent, turns it, or makes it move: such images are converted.
_MEANINGFUL = {b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
_ONCE = {b"tRNS", b"eXIf"}
_DEPTH, _COLOUR_TYPE = 24, 25  # where they stand
_COLOUR = 3  # bytes of a palette's colour
_PART = 2**20
# Each takes 50 times the 12 bytes that it may have.
_MOST_CHUNKS = 100_000


def plain_png(content: bytes) -> bytes | None:
    """Returns a PNG of 8-bit RGB or grey that is plainly well-formed, without what it holds besides its pixels.

    Texts, profiles and thumbnails don't change its pixels, but make some readers refuse it. What lies behind its end is cut off.

    Returns:
        The PNG; None if the file is none, or has something amiss.
    """
    if not content.startswith(_SIGNATURE):
        return None
    chunks = list(_chunks(content))
    names = [bytes(chunk[4:8]) for chunk in chunks]
    needed = [(name, chunk) for name, chunk in zip(names, chunks, strict=True) if not name[:1].islower()]
    pixels = [chunk[8:-4] for name, chunk in needed if name == b"IDAT"]
    if [name for name, _ in needed] != [b"IHDR", *[b"IDAT"] * len(pixels), b"IEND"] or _MEANINGFUL & {*names}:
        return None
    first = names.index(b"IDAT") if pixels else 0
    if not pixels or names[first : first + len(pixels)] != [b"IDAT"] * len(pixels):
        return None
    header = bytes(chunks[0][8:-4])
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    if header[8:] not in (bytes((8, colour, 0, 0, interlaced)) for colour in (_GREY, _RGB) for interlaced in (0, 1)):
        return None
    at_most = 2 * height * (1 + 3 * width)
    return b"".join((_SIGNATURE, *(chunk for _, chunk in needed))) if _is_whole(pixels, at_most) else None


def without_metadata(content: bytes) -> bytes:
    """Returns a PNG without the chunks that don't change what is seen, whatever is wrong with them; any other file as it is.

    Pillow refuses a whole image for a long text, a large profile or a damaged resolution, and minds what is transparent, and the
    orientation, where other decoders don't: in the wrong place, or said again.
    """
    if not content.startswith(_SIGNATURE):
        return content
    view, position, kept = memoryview(content), len(_SIGNATURE), bytearray(_SIGNATURE)
    colours, seen = 0, set[bytes]()
    while position < len(view):
        end = position + 12 + int.from_bytes(view[position : position + 4])
        name, chunk = bytes(view[position + 4 : position + 8]), view[position:end]
        if name == b"tRNS":
            chunk = memoryview(_transparency(content, bytes(chunk), colours) if b"IDAT" not in seen else b"")
        if chunk and name not in seen & _ONCE and (not name[:1].islower() or name in _MEANINGFUL):
            kept += chunk
            seen.add(name)
        colours = (len(chunk) - 12) // _COLOUR if name == b"PLTE" else colours
        position = end
    return bytes(kept)


def _transparency(png: bytes, chunk: bytes, colours: int) -> bytes:
    """Returns a chunk that says what is transparent, as decoders understand it; empty if they pass it over for its size.

    Args:
        png: The file.
        chunk: Its chunk `tRNS`.
        colours: How many colours of the palette stand before that.
    """
    depth, colour_type = png[_DEPTH : _COLOUR_TYPE + 1].ljust(2)
    size = len(chunk) - 12
    if colour_type == _PALETTE:
        return chunk if 0 < size <= min(colours, 2**depth) else b""
    if size != {_GREY: 2, _RGB: 6}.get(colour_type):
        return b""
    if (depth, colour_type) != (1, _GREY):
        return chunk
    # The lowest bit counts. Pillow takes any value but 0 for white. A wrong checksum stays wrong.
    masked = b"tRNS\0" + bytes([chunk[9] & 1])
    checksum = zlib.crc32(masked) ^ zlib.crc32(chunk[4:-4]) ^ int.from_bytes(chunk[-4:])
    return chunk[:4] + masked + checksum.to_bytes(4)


def _chunks(content: bytes) -> Iterator[memoryview]:
    """Yields a PNG's chunks up to its end, to where it is damaged, or to the last one that any has in earnest."""
    view, position = memoryview(content), len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        end = position + 12 + int.from_bytes(view[position : position + 4])
        chunk = view[position:end]
        if end > len(view) or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            return
        yield chunk
        if bytes(chunk[4:8]) == b"IEND":
            return
        position = end


def _is_whole(parts: list[memoryview], at_most: int) -> bool:
    """Tells whether compressed data comes to its end with the right checksum, which Pillow doesn't look at."""
    inflated, size = zlib.decompressobj(), 0
    try:
        for part in parts:
            waiting: bytes | memoryview = part
            while waiting and not inflated.eof and size <= at_most:
                size += len(inflated.decompress(waiting, _PART))
                waiting = inflated.unconsumed_tail
    except zlib.error:
        return False
    return inflated.eof
