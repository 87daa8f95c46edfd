"""Writing a Keras model in the further formats, by Keras' own exporters."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.compute.decoding import decode
from graft.components.common.compute.tensorflow import import_tensorflow

INPUT, OUTPUT, CONFIDENT = "image", "probabilities", "confident"


def by_classes(model: Any, abstain_below: float | None = None) -> Any:
    """Returns a model from uint8 [N, H, W, 3] RGB to `probabilities`, float32 [N, classes], also of two classes.

    With a confidence below which it is not confident it gives `confident` as well, bool [N].
    """
    import keras

    outputs = model.output
    if outputs.shape[1] == 1:
        outputs = keras.layers.Concatenate(name=OUTPUT)([1 - outputs, outputs])
    answer = {OUTPUT: outputs}
    if abstain_below is not None:
        answer[CONFIDENT] = keras.ops.max(outputs, axis=1) >= np.float32(abstain_below)
    return keras.Model(model.input, answer, name="graft")


def write_onnx(model: Any, path: Path) -> None:
    """Writes a model as ONNX, with its input `image` of any batch, height and width."""
    tf = import_tensorflow()
    for layer in _layers(model):
        if type(layer).__name__ == "Normalization":  # its tensors, being no variables, would become inputs of the graph
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    with _quiet("tf2onnx"):
        model.export(path, format="onnx", verbose=False, input_signature=[_signature(tf)])


def write_litert(model: Any, path: Path, kind: str, calibration: Sequence[bytes] = ()) -> None:
    """Writes a model for LiteRT, to be resized to an image before each call.

    Args:
        model: As `by_classes` returns it.
        path: The file.
        kind: `float32`; `float16` for weights of half the size; `dynamic-range` for weights of 8 bits; `full-integer` for
            arithmetic in 8 bits as well, as far as LiteRT can.
        calibration: Encoded training images, by which `full-integer` learns the range of every value.
    """
    tf = import_tensorflow()
    settings: dict[str, Any] = {} if kind == "float32" else {"optimizations": [tf.lite.Optimize.DEFAULT]}
    operations = [tf.lite.OpsSet.TFLITE_BUILTINS]  # Keras would also allow TensorFlow's, which plain LiteRT can't run
    if kind == "full-integer":
        operations.insert(0, tf.lite.OpsSet.TFLITE_BUILTINS_INT8)
        settings["representative_dataset"] = lambda: ([decode(content)[None]] for content in calibration)
    target = {"supported_ops": operations} | ({"supported_types": [tf.float16]} if kind == "float16" else {})
    with _quiet("tensorflow", "absl"):
        model.export(
            path, format="litert", verbose=False, input_signature=[_signature(tf)], target_spec=target, **settings
        )


def _layers(model: Any) -> Iterator[Any]:
    """Yields a model's layers, also those within others."""
    for layer in model.layers:
        yield layer
        yield from _layers(layer) if hasattr(layer, "layers") else ()


def _signature(tf: Any) -> Any:
    return tf.TensorSpec((None, None, None, 3), tf.uint8, name=INPUT)


@contextlib.contextmanager
def _quiet(*loggers: str) -> Iterator[None]:
    """Keeps a converter's notes and its own use of what is deprecated out of the step's log; parity tells whether it worked."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in loggers:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
