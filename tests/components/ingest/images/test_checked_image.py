"""Images of all kinds become 8-bit RGB or greyscale, upright, with the right pixels; what can't is refused undecoded."""

import io
import plistlib
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from kinds import CONVERTED, DEEP, KEPT, PALETTE, RGB, png
from pictures import encoded, noise, record, refusal, split_files, stored, write_folder
from PIL import Image

from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.limits import BadImageError
from graft.components.ingest.ingest import ingest


@pytest.mark.parametrize("name", CONVERTED)
def test_converted(name):
    content, conversions, expected = CONVERTED[name]
    image = check_image(content)
    assert image.conversions == conversions
    decoded = Image.open(io.BytesIO(image.encoded))
    assert decoded.format == "PNG" and decoded.mode in ("RGB", "L") and image.encoded[24] == 8
    assert decoded.size == (image.width, image.height)
    assert not decoded.getexif() and "transparency" not in decoded.info
    if expected is not None:
        assert np.abs(np.asarray(decoded, int) - np.asarray(expected, int)).max() <= 1


@pytest.mark.parametrize("name", KEPT)
def test_kept_as_they_are(name):
    image = check_image(KEPT[name])
    assert image.encoded == KEPT[name]
    assert image.conversions == (("rotated",) if "turned" in name else ()) + (("greyscale",) if "grey" in name else ())
    assert (image.width, image.height) == ((16, 24) if "turned" in name else (24, 16))


def test_16_bit_greyscale_keeps_its_whole_range():
    decoded = np.asarray(Image.open(io.BytesIO(check_image(encoded(DEEP, "PNG")).encoded)))
    assert (decoded.min(), decoded.max()) == (0, (24 * 16 - 1) * 170 // 256)
    white = Image.fromarray(np.full((16, 24), 65535, np.uint16))
    assert check_image(encoded(white, "PNG")).brightness == 255


def test_what_is_told_of_an_image():
    grey = Image.new("RGB", (30, 20), (100, 100, 100))
    image = check_image(encoded(grey, "PNG"))
    assert (image.width, image.height, image.brightness) == (30, 20, 100)
    smooth = noise(3).resize((200, 150))
    hashes = {check_image(encoded(smooth, quality=quality)).phash for quality in (75, 95)}
    assert len(hashes) == 1 and len(hashes.pop()) == 16


def many_scans(scans):
    """A progressive JPEG that repeats its last scan: each is a pass over the whole picture."""
    content = encoded(RGB, progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * scans


def tiled(side):
    """A TIFF of 10 × 10 grey pixels, whose only tile is larger."""
    data = zlib.compress(bytes(side))
    values = {256: 10, 257: 10, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(data)}
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(values)) + tags + bytes(4)


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"no image\n" * 50, "known format"),
    "html": (b"\n<!doctype HTML><title>404</title>", "is a web page"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
    "a placeholder of iCloud": (plistlib.dumps({"NSURLNameKey": "1.jpg"}, fmt=plistlib.FMT_BINARY), "of iCloud"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "known format"),
    "truncated jpeg": (encoded(noise(2))[:-200], "damaged"),
    "jpeg without end": (encoded(noise(2))[:-2] + b"\xff\xd0", "cut off"),
    "a bomb of scans": (many_scans(200), "scans"),
    "truncated png": (encoded(noise(2), "PNG")[:-100], "damaged"),
    "png without end": (encoded(noise(2), "PNG")[:-1], "cut off"),
    "png with a wrong checksum": (encoded(RGB, "PNG")[:-14] + b"?" + encoded(RGB, "PNG")[-13:], "damaged"),
    "truncated gif": (encoded(PALETTE, "GIF")[:-60], "damaged"),
    "header of 50000×50000": (png(50_000, 50_000, 8, 2, [b""]), "50000×50000 pixels"),
    "50000×1": (encoded(Image.new("L", (50_000, 1)), "PNG"), "50000×1 pixels"),
    "20000×20000": (png(20_000, 20_000, 8, 2, [b""]), "20000×20000 pixels"),
    "a tile of 20000×20000": (tiled(20_000), "20000×20000 pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(name):
    content, reason = BAD[name]
    with pytest.raises(BadImageError, match=reason):
        check_image(content)


def test_conversions_are_counted_and_stored(tmp_path):
    strange = {f"train/cats/{number}.jpg": content for number, (content, _, _) in enumerate(CONVERTED.values(), 100)}
    ingest(str(write_folder(tmp_path / "source", split_files() | strange)), tmp_path / "dataset")
    converted = record(tmp_path / "dataset")["converted"]
    expected = Counter(name for _, conversions, _ in CONVERTED.values() for name in conversions)
    assert converted == expected
    kept = stored(tmp_path / "dataset")
    for path, content in split_files().items():
        assert kept[path]["image/encoded"] == content
    for path in strange:
        assert Image.open(io.BytesIO(kept[path]["image/encoded"])).mode in ("RGB", "L")


def test_a_png_named_jpg_is_stored_as_it_is(tmp_path):
    content = encoded(RGB, "PNG")
    ingest(str(write_folder(tmp_path / "source", split_files() | {"train/cats/x.jpg": content})), tmp_path / "dataset")
    assert stored(tmp_path / "dataset")["train/cats/x.jpg"]["image/encoded"] == content


def test_a_bomb_is_named(tmp_path):
    source = write_folder(tmp_path / "source", split_files() | {"train/cats/bomb.png": BAD["50000×1"][0]})
    assert "'train/cats/bomb.png' has 50000×1 pixels" in refusal(source, tmp_path / "dataset")
