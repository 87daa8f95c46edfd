"""The perceptual hash, against the package whose hash it is."""

import imagehash
import numpy as np
from PIL import Image

from graft.components.ingest.images.perceptual_hash import SIZE, perceptual_hash


def test_it_is_that_of_imagehash_to_the_bit_also_where_rounding_decides():
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 256, (100, *SIZE), np.uint8)
    stripes = np.broadcast_to(noise[:, :1], noise.shape)
    mirrored = np.concatenate([noise[:, :16], noise[:, 15::-1]], axis=1)
    squares = noise[:, :4, :4].repeat(8, axis=1).repeat(8, axis=2)
    drawn = noise // 128 * 255
    blank = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, *SIZE))
    for pixels in np.concatenate([noise, stripes, stripes.swapaxes(1, 2), mirrored, squares, drawn, blank]):
        image = Image.fromarray(pixels)
        assert perceptual_hash(image) == str(imagehash.phash(image))
