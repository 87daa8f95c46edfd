"""Runs exported models as a server does: with numpy and the runtime, and nothing of Graft.

    python -I model_runner.py RUNTIME MODEL RESULT [RUNTIME MODEL RESULT …] < images

It reads pickles of images from its standard input, and None after those of each model: uint8 [H, W, 3], or for a SavedModel their
encoded bytes, and of the first `ALONE` ones the pixels as well. For a SavedModel files follow that can't be decoded, and None again: each
must be an error, and the first image gives the same after it. The first model has to be there from the start, another one when its first
image comes. RESULT becomes an .npz file of `probabilities`, as the model gives them, `confident` if the model has that output, `rows`, the
number of the image that each belongs to, and `seconds`, for one image each. A line on the standard output says that it is there.
"""

import gc
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Outputs = dict[str, Any]

# Keras, which comes with TensorFlow, would import these for what is not used here: 1.5 of 4.4 CPU seconds.
_NOT_INSTALLED: dict[str, Any] = {"sklearn": None, "matplotlib": None}

# Images of a SavedModel are of any size in a batch; so many of them are also run alone, encoded and decoded.
BATCH, ALONE = 32, 10
# A batch and a single image may be computed by other algorithms.
CLOSE = 1e-3


def read_images() -> Iterator[Any]:
    """Yields the images for one model."""
    while (image := pickle.load(sys.stdin.buffer)) is not None:  # noqa: S301 (from the process that started this one)
        yield image


def one_by_one(run: Callable[[Any], Any]) -> Outputs:
    """Runs each image alone, by a function from uint8 [1, H, W, 3] to the model's outputs by name."""
    outputs, seconds = [], []
    for image in read_images():
        start = time.monotonic()
        outputs.append({name: np.array(value) for name, value in run(image[None]).items()})
        seconds.append(time.monotonic() - start)
    return together(outputs, range(len(outputs)), seconds)


def together(outputs: list[dict[str, Any]], rows: Any, seconds: list[float]) -> Outputs:
    """Returns what RESULT holds, of the outputs that came one after the other."""
    told = [name for name in ("probabilities", "confident") if name in outputs[0]]
    return {name: np.concatenate([each[name] for each in outputs]) for name in told} | {
        "rows": rows,
        "seconds": seconds,
    }


def run_saved_model(path: str) -> Outputs:
    """Runs a SavedModel by its signatures, loaded as Python loads one; as a session, a server runs it later."""
    import tensorflow as tf

    encoded, decoded = zip(*read_images(), strict=True)
    loaded = tf.saved_model.load(path)
    by_bytes, by_pixels = loaded.signatures["serving_default"], loaded.signatures["serve_pixels"]
    starts = range(0, len(encoded), BATCH)
    outputs = [by_bytes(image_bytes=tf.constant(encoded[n : n + BATCH])) for n in starts]
    seconds: list[float] = []
    rows = list(range(len(encoded)))
    for row, (content, pixels) in enumerate(zip(encoded[:ALONE], decoded, strict=False)):
        start = time.monotonic()
        outputs.append(by_bytes(image_bytes=tf.constant([content])))
        seconds.append(time.monotonic() - start)
        outputs.append(by_pixels(image=tf.constant(pixels[None])))
        rows += [row, row]
    for number, content in enumerate(read_images()):
        try:
            by_bytes(image_bytes=tf.constant([content]))
        except tf.errors.InvalidArgumentError:
            again = by_bytes(image_bytes=tf.constant(encoded[:1]))["probabilities"].numpy()
            if not np.allclose(again, outputs[0]["probabilities"][:1], rtol=0, atol=CLOSE, equal_nan=True):
                sys.exit(f"after file {number} that can't be decoded it gives another answer for the same image")
        else:
            sys.exit(f"it gives a prediction for file {number} that can't be decoded")
    return together(outputs, rows, seconds)


def run_keras(path: str) -> Outputs:
    """Runs a Keras file, compiled once for images of all sizes."""
    import keras
    import tensorflow as tf

    model = keras.models.load_model(path, compile=False, safe_mode=True)
    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8)]
    compiled = tf.function(lambda images: model(images, training=False), input_signature=signature, autograph=False)
    run = compiled.get_concrete_function()
    return one_by_one(lambda image: {"probabilities": run(image)})  # which is made before the first image comes


def run_litert(path: str) -> Outputs:
    """Runs a LiteRT file, resized to each image."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path)
    (given,), made = interpreter.get_input_details(), interpreter.get_output_details()
    named = {"confident" if detail["dtype"] is np.bool_ else "probabilities": detail["index"] for detail in made}

    def run(image: Any) -> Any:
        interpreter.resize_tensor_input(given["index"], image.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in named.items()}

    return one_by_one(run)


def run_onnx(path: str) -> Outputs:
    """Runs an ONNX file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    names = [made.name for made in session.get_outputs()]
    return one_by_one(lambda image: dict(zip(names, session.run(None, {given.name: image}), strict=True)))


def main() -> None:
    """Runs the models that the command line names."""
    # Collections would go through all that TensorFlow has made, again and again and at the end: 1.3 of the 2.8 CPU seconds of its import.
    gc.disable()
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    sys.modules |= _NOT_INSTALLED
    runs = {"saved_model": run_saved_model, "keras": run_keras, "litert": run_litert, "onnx": run_onnx}
    for runtime, model, result in zip(*[iter(sys.argv[1:])] * 3, strict=True):
        np.savez(result, **runs[runtime](model))
        os.write(told, b"done\n")
    gc.freeze()


if __name__ == "__main__":
    main()
