"""The SavedModel format: what TensorFlow Serving and plain TensorFlow load."""

from pathlib import Path
from typing import Any

from graft.components.common.model import as_function

ENDPOINT = "serve_pixels"


def write_saved_model(model: Any, folder: Path) -> None:
    """Writes a Keras model as a SavedModel.

    It has one endpoint, `serve_pixels`, which is also its `serving_default` signature: uint8 [N, H, W, 3] RGB images of
    any size to float32 probabilities, as `model.keras` gives them.

    Args:
        model: The Keras model.
        folder: The SavedModel's directory.
    """
    import keras

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(name=ENDPOINT, fn=as_function(model))
    archive.write_out(str(folder), verbose=False)
