"""Whatever becomes of an image's bytes: what ingest takes, TensorFlow decodes to the pixels that ingest has judged."""

import io
import zlib

import imagehash
import numpy as np
import pytest
from kinds import EXIF
from pictures import encoded
from PIL import Image

from graft.components.common.compute.decoding import decode
from graft.components.common.compute.images.orientation import upright
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.limits import BadImageError

MUTANTS = 1000
"""Of each format."""
TAKEN = 1000
"""At least so many of them all."""


def picture(seed, mode="RGB"):
    rows, columns = np.mgrid[0:48, 0:64]
    waves = 127 + 100 * np.sin(columns / (5 + seed)) * np.cos(rows / (4 + seed))
    noise = np.random.default_rng(seed).normal(0, 9, (48, 64, 3))
    return Image.fromarray((waves[..., None] + noise).clip(0, 255).astype(np.uint8)).convert(mode)


RGB, GREY, FEW = picture(1), picture(2, "L"), picture(3).quantize(32)
FADED = picture(4)
FADED.putalpha(picture(5, "L"))
FILES = {
    "JPEG": [
        encoded(RGB),
        encoded(RGB, quality=95, subsampling=0),
        encoded(GREY),
        encoded(RGB, progressive=True),
        encoded(RGB, restart_marker_blocks=2),
        encoded(RGB, optimize=True, exif=EXIF),
        encoded(RGB.convert("CMYK")),
        encoded(RGB, "MPO", save_all=True, append_images=[picture(6)]),
    ],
    "PNG": [
        encoded(RGB, "PNG"),
        encoded(GREY, "PNG"),
        encoded(FEW, "PNG"),
        encoded(FADED, "PNG"),
        encoded(RGB, "PNG", exif=EXIF),
    ],
    "GIF": [encoded(FEW, "GIF"), encoded(FEW, "GIF", save_all=True, append_images=[picture(7).quantize(16)])],
    "BMP": [encoded(RGB, "BMP"), encoded(FEW, "BMP"), encoded(GREY, "BMP")],
    "WebP": [encoded(RGB, "WEBP"), encoded(FADED, "WEBP", lossless=True)],
}
WORDS = (b"\xff\xe1\xff\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xc4\0\x03\0", b"IEND", b"tRNS", bytes(9), b"\xff" * 9)


def mutant(content, random):
    """Damages bytes in one to three places, as disks, cables and editors do."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):
        place, kind = int(random.integers(len(changed))), random.integers(6)
        if kind == 0:
            changed[place] ^= 1 << int(random.integers(8))
        elif kind == 1:
            changed[place] = random.integers(256)
        elif kind == 2:
            changed[place:place] = WORDS[random.integers(len(WORDS))]
        elif kind == 3:
            del changed[place : place + int(random.integers(1, 20))]
        elif kind == 4:
            changed[place : place + 64] = random.bytes(64)
        else:
            changed[place : place + 32] = b"\xff" * 32
    return bytes(changed)


def repacked(content, pack):
    """A PNG whose data are packed in another way, with checksums that tell of no damage."""
    chunks, position = [content[:8]], 8
    while position + 12 <= len(content):
        size, name = int.from_bytes(content[position : position + 4]), content[position + 4 : position + 8]
        data = content[position + 8 : position + 8 + size]
        data = pack(data) if name == b"IDAT" else data
        chunks.append(len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4))
        position += 12 + size
    return b"".join(chunks)


def mutants(kind):
    random = np.random.default_rng(sum(kind.encode()))
    for number in range(MUTANTS):
        content = FILES[kind][number % len(FILES[kind])]
        if kind == "PNG" and number % 3:  # else its checksums find nearly all of them out
            yield repacked(mutant(repacked(content, zlib.decompress), random), zlib.compress)
        else:
            yield mutant(content, random)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what mutants say of themselves
def test_what_ingest_takes_tensorflow_decodes_to_the_same_pixels():
    tf = import_tensorflow()
    decoded = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])

    def is_taken(content):
        try:
            image = check_image(content)
        except BadImageError:
            return False
        pixels = decoded(image.encoded).numpy()
        # Pillow is another program than the one that ingest decodes JPEGs with.
        np.testing.assert_array_equal(pixels, upright(Image.open(io.BytesIO(image.encoded))).convert("RGB"))
        grey = Image.fromarray(pixels).convert("L")
        assert (image.width, image.height, image.phash) == (*grey.size, str(imagehash.phash(grey)))
        assert image.brightness == pytest.approx(np.asarray(grey).mean(), abs=1e-3)
        return True

    assert all(is_taken(content) for files in FILES.values() for content in files)
    taken = {kind: sum(map(is_taken, mutants(kind))) for kind in FILES}
    print(f"taken of {MUTANTS} each: {taken}")
    assert sum(taken.values()) >= TAKEN
