"""The SavedModel format: what TensorFlow Serving and plain TensorFlow load."""

from pathlib import Path
from typing import Any

from graft.components.common.tensorflow import import_tensorflow

ENDPOINT = "serve_pixels"


def write_saved_model(model: Any, function: Any, folder: Path) -> None:
    """Writes a Keras model as a SavedModel.

    It has one endpoint, `serve_pixels`, which is also its `serving_default` signature: uint8 [N, H, W, 3] RGB images of
    any size to float32 probabilities, as `model.keras` gives them. Keras' own export would trace every part of the model
    as an endpoint of its own, which takes three times as long.

    Args:
        model: The Keras model.
        function: The model as a function, as `as_function` returns it.
        folder: The SavedModel's directory.
    """
    tf = import_tensorflow()
    module = tf.Module()
    module.model_variables = model.variables
    setattr(module, ENDPOINT, function)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": function.get_concrete_function()})
