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
HEAD = "head"


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
