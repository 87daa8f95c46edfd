"""A SavedModel that doesn't give what was evaluated is refused, whichever way it differs."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from graft.components.common.errors import GraftError
from graft.components.export.parity import check_saved_model

pytestmark = pytest.mark.slow

IMAGES = 40


@pytest.fixture
def saved(tmp_path):
    """Writes a SavedModel that gives the same probabilities for whatever image."""

    def write(from_bytes, from_pixels=None):
        module = tf.Module()

        def give(values, spec):
            return tf.function(
                lambda images: {"probabilities": tf.repeat(tf.constant([values]), tf.shape(images)[0], axis=0)},
                input_signature=[spec],
            )

        module.serve_bytes = give(from_bytes, tf.TensorSpec((None,), tf.string))
        module.serve_pixels = give(from_pixels or from_bytes, tf.TensorSpec((None, None, None, 3), tf.uint8))
        tf.saved_model.save(module, str(tmp_path / "saved"))
        return tmp_path / "saved"

    return write


@pytest.fixture
def encoded():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return [buffer.getvalue()] * IMAGES


def expected(*rows):
    return np.resize(np.array(rows, np.float32), (IMAGES, 2))


def test_the_same_is_the_same(saved, encoded):
    parity = check_saved_model(saved([0.25, 0.75]), encoded, expected([0.25, 0.75]))
    assert (parity.images, parity.max_difference, parity.label_agreement) == (IMAGES, 0, 1)


@pytest.mark.parametrize("pixels", [[0.26, 0.74], [float("nan"), 0.75]])
def test_pixels_that_give_something_else(saved, encoded, pixels):
    with pytest.raises(GraftError, match="The SavedModel differs from the evaluated model"):
        check_saved_model(saved([0.25, 0.75], pixels), encoded, expected([0.25, 0.75]))


def test_bytes_that_give_something_else(saved, encoded):
    with pytest.raises(GraftError, match=r"by up to 0\.01 \(limit 0\.001\)"):
        check_saved_model(saved([0.26, 0.74], [0.25, 0.75]), encoded, expected([0.25, 0.75]))


def test_another_class_by_a_hair(saved, encoded):
    with pytest.raises(GraftError, match=r"the same class on 50\.0% of the images \(limit 99\.5%\)"):
        check_saved_model(saved([0.4999, 0.5001]), encoded, expected([0.4999, 0.5001], [0.5001, 0.4999]))
