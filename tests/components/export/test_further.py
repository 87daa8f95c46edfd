"""Formats for other runtimes, of a small model with three classes; tests/components/test_chain.py has one of two."""

import io

import numpy as np
import pytest
from PIL import Image

from graft.components.common.artifacts.export import ParityFigures
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.export import formats, further
from graft.components.export.acceptance.parity import EvaluatedImages
from graft.components.export.further import export_further

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    """A model of every kind of layer that a trained one has, from uint8 of any size to three probabilities."""
    import_tensorflow()
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(2, 3, (64, 150)).astype("float32"))
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((None, None, 3), dtype="uint8"),
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.Resizing(32, 32),
        keras.layers.Conv2D(150, 3),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        normalization,
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, activation="softmax"),
    ]
    sequential = keras.Sequential(layers)
    inputs = keras.Input((None, None, 3), dtype="uint8")
    return keras.Model(inputs, sequential(inputs, training=False))


def picture(side, seed):
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (side, side + 7, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def samples(model):
    encoded = [picture(20 + 3 * number, number) for number in range(30)]
    images = [np.asarray(Image.open(io.BytesIO(content)))[None] for content in encoded]
    probabilities = np.concatenate([model.predict(image, verbose=0) for image in images])
    return EvaluatedImages(encoded, probabilities, abstain_below=float(np.median(probabilities.max(axis=1))))


def test_every_format_gives_what_the_model_gives(model, samples, tmp_path):
    made = export_further(model, list(formats.FURTHER), tmp_path, samples, samples.encoded)
    assert set(made) == {"model.tflite", "model-float16.tflite", "model-int8.tflite", "model.onnx"}
    for path, entry in made.items():
        assert entry.bytes == (tmp_path / path).stat().st_size
        assert entry.parity.images == 30
        assert entry.parity.latency_ms > 0
        assert entry.parity.confident_agreement >= entry.limits.label_agreement
    assert made["model-int8.tflite"].quantization == "full-integer"
    sizes = [made[path].bytes for path in ("model-int8.tflite", "model-float16.tflite", "model.tflite")]
    assert sizes == sorted(sizes)


def test_int8_falls_back_to_the_weights_alone_and_says_so(model, samples, tmp_path, monkeypatch, caplog):
    found = [
        ParityFigures(images=30, max_difference=None, label_agreement=0.6, latency_ms=1.0),
        ParityFigures(images=30, max_difference=0.01, label_agreement=1.0, latency_ms=2.0),
    ]
    monkeypatch.setattr(further, "_compare", lambda *arguments: found.pop(0))
    (entry,) = export_further(model, ["litert-int8"], tmp_path, samples, samples.encoded).values()
    assert entry.quantization == "dynamic-range"
    assert {kind: parity.label_agreement for kind, parity in entry.tried.items()} == {
        "full-integer": 0.6,
        "dynamic-range": 1.0,
    }
    assert "full-integer quantisation puts only 60.0% of the images into the same class" in caplog.text


def test_int8_that_is_not_good_enough_either_way_is_refused(model, samples, tmp_path, monkeypatch):
    poor = ParityFigures(images=30, max_difference=0.5, label_agreement=0.6, latency_ms=1.0)
    monkeypatch.setattr(further, "_compare", lambda *arguments: poor)
    with pytest.raises(GraftError, match=r"on 60\.0% of the images \(limit 98\.0%\)"):
        export_further(model, ["litert-int8"], tmp_path, samples, samples.encoded)


def test_other_images_than_were_evaluated_are_a_difference(model, samples, tmp_path):
    moved = EvaluatedImages(samples.encoded, np.roll(samples.probabilities, 1, axis=1))
    with pytest.raises(GraftError, match=r"model\.onnx differs from the evaluated model by up to"):
        export_further(model, ["onnx"], tmp_path, moved, [])
