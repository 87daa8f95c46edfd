"""The Keras model of a Model: the names of its parts, saving and loading."""

import json
import zipfile
from pathlib import Path
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.common.progress import doing

# A model is PREPROCESSING, from uint8 images to the network's input, and NETWORK, from there to probabilities. NETWORK is
# EXTRACTOR and HEAD; AVERAGE follows if the mirror image is predicted too. EXTRACTOR is the backbone, under
# the name that the record gives it, and POOLING.
PREPROCESSING, NETWORK = "preprocessing", "network"
EXTRACTOR, HEAD, AVERAGE = "extractor", "head", "average"
POOLING = "pool"


def save_model(model: Any, path: Path) -> None:
    """Writes a Keras model. The same model gives the same bytes, so that a registry knows it again.

    Keras writes the time into the file, and addresses in memory by which it tells shared objects.
    """
    made = path.with_name(f"made-{path.name}")
    model.save(made)
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(path, "w") as same:
        for name in archive.namelist():
            content = archive.read(name)
            same.writestr(zipfile.ZipInfo(name), _numbered(content) if name.endswith(".json") else content)
    made.unlink()


def _numbered(content: bytes) -> str:
    """Returns JSON of Keras without the time, and with numbers from 1 for addresses."""
    numbers: dict[int, int] = {}

    def number(found: dict[str, Any]) -> dict[str, Any]:
        found.pop("date_saved", None)
        if address := found.get("shared_object_id"):
            found["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        return found

    return json.dumps(json.loads(content, object_hook=number))


def backbone_of(extractor: Any) -> Any:
    """Returns the backbone of an EXTRACTOR: a Keras model from prepared images to maps, one a cut."""
    _, backbone, _ = extractor.layers
    return backbone


def load_model(model: Path) -> Any:
    """Loads a Model's Keras model, after checking that it is the one its record speaks of.

    Raises:
        GraftError: The artifact is unfinished, its model was changed, or holds code, or can't be loaded.
    """
    digest, file = Model.load(model).model_digest, model / Model.KERAS
    if not file.is_file() or storage.sha256_file(file) != digest:
        raise GraftError(f"{file} is not the model that {Model.FILE} describes: {Model.REMEDY}.")
    import_tensorflow()
    import keras

    doing("loading the network")
    try:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds
        raise GraftError(
            f"{file} can't be loaded ({storage.brief(error)}): it is damaged, or holds code, which Graft doesn't run; "
            "name a model that graft train made."
        ) from error
