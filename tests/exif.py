"""EXIF data, well-formed and malformed, put into JPEGs and PNGs: what all who read the orientation must agree on."""

import struct
import zlib

ORIENTATION, SHORT = 0x0112, 3


def tiff(*entries, order="<", first=8, count=None):
    """A TIFF structure of entries (tag, type, count, value)."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    lines = [struct.pack(order + "HHIHH", *entry, 0) for entry in entries]
    number = len(entries) if count is None else count
    directory = struct.pack(order + "H", number) + b"".join(lines) + b"\0\0\0\0"
    return start + struct.pack(order + "I", first) + b"\0" * (min(first, 64) - 8) + directory


def oriented(value, order="<"):
    return tiff((ORIENTATION, SHORT, 1, value), order=order)


def jpeg_with(jpeg, *exifs):
    """A JPEG with these EXIF segments in front."""
    payloads = [b"Exif\0\0" + exif for exif in exifs]
    segments = [b"\xff\xe1" + struct.pack(">H", 2 + len(payload)) + payload for payload in payloads]
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_with(png, *exifs, at=33):
    """A PNG with these eXIf chunks, behind its header unless said otherwise."""
    return png[:at] + b"".join(chunk(b"eXIf", exif) for exif in exifs) + png[at:]


WELL_FORMED = {
    "among other tags": tiff((0x010F, 2, 2, 65), (ORIENTATION, SHORT, 1, 6), (0x9999, 99, 7, 1)),
    "the directory further on": tiff((ORIENTATION, SHORT, 1, 6), order=">", first=20),
    "an odd offset": tiff((ORIENTATION, SHORT, 1, 6), first=9),
    "no next directory": oriented(6)[:-4],
}
"""EXIF data that says 6: to be turned 90° clockwise."""

UNTOUCHED = {
    "empty": b"",
    "cut in the header": oriented(6)[:6],
    "cut in the directory": oriented(6)[:-6],
    "another order of bytes": b"IM" + oriented(6)[2:],
    "another version": b"II+\0" + oriented(6)[4:],
    "the header twice": b"Exif\0\0" + oriented(6),
    "offset outside": tiff((ORIENTATION, SHORT, 1, 6), first=2**31 - 1),
    "offset beyond 31 bits": tiff((ORIENTATION, SHORT, 1, 6), first=2**32 - 8),
    "offset within the header": oriented(6)[:4] + struct.pack("<I", 2) + oriented(6)[8:],
    "more entries than there are": tiff((ORIENTATION, SHORT, 1, 6), count=500),
    "no entries": tiff(),
    "no orientation": tiff((0x010F, 2, 2, 65)),
    "orientation 0": oriented(0),
    "orientation 1": oriented(1),
    "orientation 9": oriented(9),
    "orientation 65535": oriented(65535),
    "as text": tiff((ORIENTATION, 2, 1, 6)),
    "as a long": tiff((ORIENTATION, 4, 1, 6)),
    "two values": tiff((ORIENTATION, SHORT, 2, 6)),
    "no value": tiff((ORIENTATION, SHORT, 0, 6)),
    "65,537 values": tiff((ORIENTATION, SHORT, 65537, 6)),
    "said twice": tiff((ORIENTATION, SHORT, 1, 6), (ORIENTATION, SHORT, 1, 6)),
    "said twice, once as text": tiff((ORIENTATION, SHORT, 1, 6), (ORIENTATION, 2, 1, 6)),
}
"""EXIF data, most of it malformed, that leaves an image as it is."""
