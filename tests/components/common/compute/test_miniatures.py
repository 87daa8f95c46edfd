"""A like hash is no proof: copies of a picture are told from other pictures of one composition by their miniatures."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from graft.components.common.compute.likeness.close_hashes import MAX_DISTANCE
from graft.components.common.compute.likeness.miniatures import SIDE, as_rows, mark, same_picture
from graft.components.ingest.images.checked_image import check_image


def encoded(image, image_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def near_pairs(contents):
    """Pairs with a like hash, and which of them show the same picture."""
    checked = [check_image(content) for content in contents]
    hashes = np.array([int(image.phash, 16) for image in checked], np.uint64)
    one, other = np.triu_indices(len(hashes), 1)
    near = np.bitwise_count(hashes[one] ^ hashes[other]) <= MAX_DISTANCE
    miniatures = as_rows(pa.array([image.miniature for image in checked], pa.binary(SIDE**2)))
    return one[near], other[near], same_picture(miniatures, one[near], other[near])


def scenery(seed, size=(320, 240)):
    """Clouds of all sizes, as photographs have."""
    rng = np.random.default_rng(seed)
    clouds = [Image.fromarray(rng.normal(0, 1, (side * 3 // 4, side)).astype(np.float32)) for side in (4, 8, 16, 32)]
    sharp = [np.asarray(cloud.resize(size, Image.Resampling.BICUBIC)) for cloud in clouds]
    pixels = sum(40 / (1 + number) * layer for number, layer in enumerate(sharp))
    return Image.fromarray(np.clip(128 + pixels, 0, 255).astype(np.uint8)).convert("RGB")


def cropped(image, left, top, right, bottom):
    width, height = image.size
    return image.crop((int(left * width), int(top * height), width - int(right * width), height - int(bottom * height)))


COPIES = {
    "quality 30": lambda image: encoded(image, quality=30),
    "PNG": lambda image: encoded(image, "PNG"),
    "WebP": lambda image: encoded(image, "WEBP", quality=50),
    "half": lambda image: encoded(image.resize((image.width // 2, image.height // 2))),
    "grey": lambda image: encoded(image.convert("L")),
    "darker": lambda image: encoded(image.point(lambda value: value * 0.9)),
    "cropped": lambda image: encoded(cropped(image, 0.03, 0.03, 0.03, 0.03)),
    "cropped unevenly": lambda image: encoded(cropped(image, 0.03, 0, 0.01, 0.02)),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_copies_are_proven(copy):
    for seed in range(5):
        original = scenery(seed)
        _, _, same = near_pairs([encoded(original, quality=90), copy(original)])
        assert same.all()


def fixed_camera():
    """One scene with a small thing that is somewhere else each time, and a camera's noise."""
    rng = np.random.default_rng(0)
    for number in range(40):
        image = scenery(77)
        x, y = 20 + 35 * (number % 8), 20 + 40 * (number // 8)
        ImageDraw.Draw(image).ellipse([x, y, x + 16, y + 16], fill=(20, 20, 20))
        noisy = np.asarray(image) * rng.uniform(0.97, 1.03) + rng.normal(0, 4, (240, 320, 3))
        yield encoded(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), quality=92)


def digits():
    for digit in load_digits().images[::6]:
        yield encoded(Image.fromarray((digit * 255 / 16).astype(np.uint8)).resize((80, 80)), "PNG")


def forms():
    rng = np.random.default_rng(0)
    for _ in range(40):
        image = Image.new("L", (300, 400), 250)
        draw = ImageDraw.Draw(image)
        draw.rectangle([20, 20, 280, 60], fill=60)
        for y in range(80, 360, 30):
            draw.rectangle([100, y, 280, y + 20], outline=0)
            draw.text((104, y + 3), "".join(rng.choice(list("abcdefgh "), rng.integers(3, 22))), fill=0)
        yield encoded(image)


@pytest.mark.parametrize("strangers", [fixed_camera, digits, forms])
def test_strangers_of_one_composition_are_not(strangers):
    one, _, same = near_pairs(strangers())
    assert len(one) > 50, "their hashes are alike"
    assert not same.any()


def test_strangers_of_little_contrast_and_another_brightness_are_not_the_same():
    rng = np.random.default_rng(0)
    one, other = (np.clip(rng.normal(mean, 8, (50, 256)), 0, 255).astype(np.uint8) for mean in (130, 148))
    assert not same_picture(np.concatenate([one, other]), np.arange(50), np.arange(50, 100)).any()


def test_blank_pictures_are_the_same():
    miniatures = np.array([[255] * 256, [254] * 256, [255] * 256], np.uint8)
    assert same_picture(miniatures, np.array([0, 0]), np.array([1, 2])).all()
    marks = mark(miniatures)
    assert marks[0] == marks[2] != marks[1]
