"""A format that doesn't give what was evaluated is refused, whichever way it differs."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from graft.components.common.artifacts.export import ParityFigures
from graft.components.common.errors import GraftError
from graft.components.export.formats import FURTHER, KERAS, TENSORFLOW
from graft.components.export.parity import EvaluatedImages, check_parity, is_close, serving

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

        signatures = {
            "serving_default": give(from_bytes, tf.TensorSpec((None,), tf.string, name="image_bytes")),
            "serve_pixels": give(
                from_pixels or from_bytes, tf.TensorSpec((None, None, None, 3), tf.uint8, name="image")
            ),
        }
        tf.saved_model.save(module, str(tmp_path / TENSORFLOW.path), signatures=signatures)
        return tmp_path

    return write


@pytest.fixture
def encoded():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return [buffer.getvalue()] * IMAGES


def expected(*rows):
    return np.resize(np.array(rows, np.float32), (IMAGES, 2))


def check(folder, samples, form=TENSORFLOW):
    with serving(folder, form) as compare:
        (parity,) = compare(samples)
    check_parity(parity, form)
    return parity


def test_the_same_is_the_same(saved, encoded):
    parity = check(saved([0.25, 0.75]), EvaluatedImages(encoded, expected([0.25, 0.75])))
    assert (parity.images, parity.max_difference, parity.label_agreement) == (IMAGES, 0, 1)


@pytest.mark.parametrize("pixels", [[0.26, 0.74], [float("nan"), 0.75]])
def test_pixels_that_give_something_else(saved, encoded, pixels):
    with pytest.raises(GraftError, match="saved_model differs from the evaluated model"):
        check(saved([0.25, 0.75], pixels), EvaluatedImages(encoded, expected([0.25, 0.75])))


def test_bytes_that_give_something_else(saved, encoded):
    with pytest.raises(GraftError, match=r"by up to 0\.01 \(limit 0\.001\)"):
        check(saved([0.26, 0.74], [0.25, 0.75]), EvaluatedImages(encoded, expected([0.25, 0.75])))


def test_another_class_by_a_hair(saved, encoded):
    with pytest.raises(GraftError, match=r"the same class on 50\.0% of the images \(limit 99\.5%\)"):
        check(saved([0.4999, 0.5001]), EvaluatedImages(encoded, expected([0.4999, 0.5001], [0.5001, 0.4999])))


@pytest.mark.parametrize(
    "form", [KERAS, TENSORFLOW, FURTHER["onnx"], FURTHER["litert-float32"]], ids=lambda form: form.path
)
def test_what_no_server_can_load(tmp_path, encoded, form):
    (tmp_path / form.path).write_bytes(b"no model")
    with pytest.raises(GraftError, match=f"{form.path} can't be loaded and run as on a server \\(exit code 1\\): "):
        check(tmp_path, EvaluatedImages(encoded, expected([0.25, 0.75])), form)


def test_a_process_that_nobody_asks_ends_with_its_context(tmp_path):
    with serving(tmp_path, KERAS):
        pass


@pytest.mark.parametrize(
    ("name", "difference", "agreement", "within"),
    [
        ("onnx", 1e-3, 0.995, True),
        ("onnx", 1.1e-3, 1.0, False),
        ("onnx", 0.0, 0.994, False),
        ("litert-float16", 1e-2, 1.0, True),
        ("litert-float16", 1.1e-2, 1.0, False),
        ("litert-int8", 0.9, 0.98, True),
        ("litert-int8", 0.0, 0.975, False),
        ("litert-int8", None, 1.0, False),
    ],
)
def test_limits_by_format(name, difference, agreement, within):
    parity = ParityFigures(images=200, max_difference=difference, label_agreement=agreement, latency_ms=1.0)
    assert is_close(parity, FURTHER[name].limits) is within
