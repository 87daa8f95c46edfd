"""A format that doesn't give what was evaluated is refused, whichever way it differs."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from graft.components.common.artifacts.export import ParityFigures
from graft.components.common.errors import GraftError
from graft.components.export.acceptance.parity import (
    EvaluatedImages,
    check_parity,
    confident_agreement,
    is_close,
    serving,
)
from graft.components.export.formats import FURTHER, KERAS, Format, saved_model_format

pytestmark = pytest.mark.slow

IMAGES = 40
TENSORFLOW = saved_model_format("model")

HALF = [[0.4999, 0.5001], [0.5001, 0.4999]]
# By the path of a SavedModel that gives the same for whatever image: what it gives for bytes, for pixels, and what was evaluated.
CASES = {
    "same": ([0.25, 0.75], [0.25, 0.75], [[0.25, 0.75]]),
    "other pixels": ([0.25, 0.75], [0.26, 0.74], [[0.25, 0.75]]),
    "no number": ([0.25, 0.75], [float("nan"), 0.75], [[0.25, 0.75]]),
    "other bytes": ([0.26, 0.74], [0.25, 0.75], [[0.25, 0.75]]),
    "by a hair": (HALF[0], HALF[0], HALF),
}


def save_model(path, from_bytes, from_pixels, *, decodes=True):
    def size(encoded):
        return tf.size(tf.io.decode_image(encoded, 3, expand_animations=False)) if decodes else 0

    def by_bytes(image_bytes):
        sizes = tf.map_fn(size, image_bytes, fn_output_signature=tf.int32)
        return {"probabilities": tf.constant([from_bytes]) + 0 * tf.cast(sizes, tf.float32)[:, None]}

    def by_pixels(image):
        return {"probabilities": tf.repeat(tf.constant([from_pixels]), tf.shape(image)[0], axis=0)}

    signatures = {
        "serving_default": tf.function(by_bytes, input_signature=[tf.TensorSpec((None,), tf.string)]),
        "serve_pixels": tf.function(by_pixels, input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)]),
    }
    tf.saved_model.save(tf.Module(), str(path), signatures=signatures)


@pytest.fixture(scope="module")
def encoded():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return [buffer.getvalue()] * IMAGES


def expected(rows):
    return np.resize(np.array(rows, np.float32), (IMAGES, 2))


@pytest.fixture(scope="module")
def compared(encoded, tmp_path_factory):
    """The figures of each case, all of one process, and the format that they are of."""
    folder = tmp_path_factory.mktemp("parity")
    formats = [Format(name, "saved_model") for name in CASES]
    for name, (from_bytes, from_pixels, _) in CASES.items():
        save_model(folder / name, from_bytes, from_pixels)
    with serving(folder, *formats) as compare:
        figures = [compare(EvaluatedImages(encoded, expected(rows))) for _, _, rows in CASES.values()]
    return {form.path: (parity, form) for parity, form in zip(figures, formats, strict=True)}


def test_the_same_is_the_same(compared):
    parity, form = compared["same"]
    check_parity(parity, form)
    assert (parity.images, parity.max_difference, parity.label_agreement) == (IMAGES, 0, 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other pixels", r"by up to 0\.01 \(limit 0\.001\)"),
        ("no number", "it gives probabilities that are no numbers"),
        ("other bytes", r"by up to 0\.01 \(limit 0\.001\)"),
        ("by a hair", r"the same class on 50\.0% of the images \(limit 99\.5%\)"),
    ],
)
def test_what_gives_something_else_is_refused(compared, name, said):
    with pytest.raises(GraftError, match=f"{name} differs from the evaluated model.*{said}"):
        check_parity(*compared[name])


@pytest.mark.parametrize(
    "form", [KERAS, TENSORFLOW, FURTHER["onnx"], FURTHER["litert-float32"]], ids=lambda form: form.path
)
def test_what_no_server_can_load(tmp_path, encoded, form):
    (tmp_path / form.path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / form.path).write_bytes(b"no model")
    said = f"{form.path} can't be loaded and run as on a server \\(exit code 1\\): "
    with pytest.raises(GraftError, match=said), serving(tmp_path, form) as compare:
        compare(EvaluatedImages(encoded, expected([[0.25, 0.75]])))


def test_a_process_that_nobody_asks_ends_with_its_context(tmp_path):
    with serving(tmp_path, KERAS):
        pass


def test_neither_no_word_of_confidence_nor_an_answer_for_what_is_no_image_will_do(tmp_path, encoded):
    """By one process, which the answer ends."""
    formats = [Format(name, "saved_model") for name in ("says nothing", "decodes nothing")]
    for form in formats:
        save_model(tmp_path / form.path, [0.25, 0.75], [0.25, 0.75], decodes=form is formats[0])
    rows = expected([[0.25, 0.75]])
    with serving(tmp_path, *formats) as compare:
        with pytest.raises(GraftError, match="says nothing has no output confident"):
            compare(EvaluatedImages(encoded, rows, abstain_below=0.7))
        with pytest.raises(GraftError, match="it gives a prediction for file 0 that can't be decoded"):
            compare(EvaluatedImages(encoded, rows))


def test_confidence_is_held_against_the_evaluation_but_for_rounding():
    probabilities = np.array([[0.1, 0.9], [0.3, 0.7], [0.2995, 0.7005], [0.4, 0.6]], np.float32)
    for confident, limits, share in (
        ([True, True, True, False], KERAS.limits, 1.0),
        ([True, False, False, False], KERAS.limits, 1.0),
        ([True, True, True, True], KERAS.limits, 0.75),
        ([True, False, False, False], FURTHER["litert-int8"].limits, 1.0),
        ([False, True, True, False], FURTHER["litert-int8"].limits, 0.75),
    ):
        assert confident_agreement(np.array(confident), probabilities, 0.7, limits) == share
    parity = ParityFigures(images=4, max_difference=0.0, label_agreement=1.0, confident_agreement=0.99, latency_ms=1.0)
    with pytest.raises(GraftError, match=r"confident for the same images on 99\.0% of them \(limit 99\.5%\)"):
        check_parity(parity, KERAS)


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
