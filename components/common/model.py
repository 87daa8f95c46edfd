"""The Model artifact as its readers see it: `model.keras` and `training.json`."""

from pathlib import Path
from typing import Any

from graft.components.common.errors import GraftError
from graft.components.common.records import read_record, sha256_file
from graft.components.common.tensorflow import import_tensorflow

RECORD = "training.json"
MODEL = "model.keras"
# Names of the two parts of every model: from images to the network's input, and from there to probabilities.
PREPROCESSING, NETWORK = "preprocessing", "network"


def read_training(model: Path) -> dict[str, Any]:
    """Reads the record of a finished Model.

    Raises:
        GraftError: It is missing, unfinished, damaged, or of an unknown schema version.
    """
    return read_record(model, RECORD)


def load_model(model: Path) -> Any:
    """Loads a Model's Keras model, after checking that it is the one its record speaks of.

    Raises:
        GraftError: The artifact is unfinished, or its model was changed.
    """
    digest = read_training(model)["model_digest"]
    if not (model / MODEL).is_file() or sha256_file(model / MODEL) != digest:
        raise GraftError(f"{model / MODEL} is not the model that {RECORD} describes: train it again.")
    import_tensorflow()
    import keras

    return keras.models.load_model(model / MODEL, compile=False, safe_mode=True)


def as_function(model: Any) -> Any:
    """Returns a model as a compiled function, traced once for images of all sizes.

    In eager mode and by `predict`, each size of image costs a trace of the whole network.

    Args:
        model: A model that the train step saved.

    Returns:
        A function from uint8 [N, H, W, 3] to a float32 tensor of probabilities.
    """
    tf = import_tensorflow()
    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8, name="image")]
    return tf.function(lambda image: model(image, training=False), input_signature=signature)
