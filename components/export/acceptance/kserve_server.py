"""KServe's own server for a SavedModel, run by another environment's Python: it has kserve, tensorflow and numpy, and nothing of Graft.

    ENVIRONMENT/bin/python -I kserve_server.py FOLDER --name NAME --port PORT [--grpc-port PORT]

FOLDER is a base path as TensorFlow Serving takes it, such as `serving/model` of an Export: it holds SavedModels in folders that are
numbered, and the highest is served. `POST /v2/repository/models/NAME/load` looks again; if what it finds can't be loaded, the version
before stays in service. Requests are those of KServe's V1 and V2 protocols. In JSON of V2 an image is base64, and its input has the
parameter `"content_type": "base64"`. KServe listens at all addresses of the machine.
"""

import argparse
import asyncio
import base64
import dataclasses
import struct
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kserve
import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

_INPUT = "image_bytes"
_KINDS = {np.dtype(object): "BYTES", np.dtype(np.int64): "INT64", np.dtype(np.float32): "FP32"}

Array = np.ndarray[Any, Any]
Outputs = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class _Version:
    """A version that is loaded; what was loaded must be kept for as long as its signature is called."""

    number: str
    loaded: Any
    predict: Callable[..., Any]


def load_newest(folder: Path) -> _Version:
    """Loads the version of the highest number in a base path."""
    found = [path for path in folder.glob("*") if path.name.isascii() and path.name.isdecimal() and path.is_dir()]
    if not found:
        raise FileNotFoundError(f"{folder} holds no version of a model, a folder such as {folder / '1'}")
    newest = max(found, key=lambda path: int(path.name))
    with tempfile.TemporaryDirectory() as scratch:
        # TensorFlow takes a path for a pattern, and names of folders may hold [, ], *, ? and \.
        link = Path(scratch) / "model"
        link.symlink_to(newest.absolute())
        loaded = tf.saved_model.load(str(link))
    return _Version(newest.name, loaded, loaded.signatures["serving_default"])


class SavedModel(kserve.Model):  # type: ignore[misc]
    """A model in a base path."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._folder = folder
        self._version: _Version | None = None

    def load(self) -> bool:
        """Loads the newest version; one that can't be loaded raises, and leaves the one before in service."""
        self._version = load_newest(self._folder)
        self.ready = True
        return True

    async def predict(
        self, payload: object, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None
    ) -> object:
        """Answers a request of either protocol, while others are answered."""
        version = self._version
        if version is None:
            raise kserve.errors.ModelNotReady(self.name)
        if not isinstance(payload, kserve.InferRequest):
            outputs = await asyncio.to_thread(_run, version, _images_of_v1(payload))
            rows = zip(*(_listed(array) for array in outputs.values()), strict=True)
            return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}
        outputs = await asyncio.to_thread(_run, version, _images_of_v2(payload))
        told = []
        for name, array in outputs.items():
            output = kserve.InferOutput(name, list(array.shape), _KINDS[array.dtype])
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            told.append(output)
        return kserve.InferResponse(
            response_id=payload.id or str(uuid.uuid4()),
            model_name=self.name,
            model_version=version.number,
            infer_outputs=told,
            from_grpc=payload.from_grpc,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def get_input_types(self) -> list[dict[str, object]]:
        """Returns what the metadata say of the input."""
        return [{"name": _INPUT, "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, object]]:
        """Returns what the metadata say of the outputs."""
        return [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "class", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, -1]},
        ]


class Repository(kserve.ModelRepository):  # type: ignore[misc]
    """The one model, which can be loaded again, and again after it was unloaded."""

    def __init__(self, model: SavedModel) -> None:
        super().__init__()
        self._model = model

    async def load(self, name: str) -> None:
        """Loads the model's newest version, while the one before answers."""
        if name != self._model.name:
            raise kserve.errors.ModelNotFound(name)
        await asyncio.to_thread(self._model.load)
        self.update(self._model)


def _run(version: _Version, images: list[bytes]) -> Outputs:
    """Runs the model; an image that it can't decode is the client's fault."""
    if not images:
        raise InvalidInput("A request must hold at least one image.")
    try:
        outputs = version.predict(**{_INPUT: tf.constant(images)})
    except tf.errors.InvalidArgumentError as error:
        # Before and after the reason stand the places in the graph.
        raise InvalidInput(error.message.partition("\n\t [[")[0].splitlines()[-1].strip()) from error
    return {name: outputs[name].numpy() for name in ("label", "class", "probabilities")}


def _images_of_v1(payload: object) -> list[bytes]:
    """Returns the images of {"instances": [{"image_bytes": {"b64": …}}, …]}."""
    instances = payload.get("instances") if isinstance(payload, dict) else None
    if not isinstance(instances, list):
        raise InvalidInput("The request must be application/json, an object with a list of 'instances'.")
    images = []
    for instance in instances:
        value = instance.get(_INPUT) if isinstance(instance, dict) else None
        if not isinstance(value, dict):
            raise InvalidInput(f'An instance must be {{"{_INPUT}": {{"b64": …}}}}.')
        images.append(_decode_base64(value.get("b64")))
    return images


def _images_of_v2(request: Any) -> list[bytes]:
    """Returns the images of the input `image_bytes`."""
    inputs = {given.name: given for given in request.inputs}
    if set(inputs) != {_INPUT} or len(request.inputs) != 1:
        raise InvalidInput(f"The request must have the input {_INPUT} alone.")
    given = inputs[_INPUT]
    if given.datatype != "BYTES" or len(given.shape) != 1:
        raise InvalidInput(f"The input {_INPUT} must be of datatype BYTES and shape [-1].")
    try:
        values = given.as_numpy().tolist()
    except (ValueError, struct.error) as error:
        raise InvalidInput(f"The input {_INPUT} does not hold the {given.shape[0]} strings of its shape.") from error
    if request.from_grpc:
        return list(values)
    if dict(given.parameters or {}).get("content_type") != "base64":
        raise InvalidInput(
            f'The input {_INPUT} must be base64, and say so: "parameters": {{"content_type": "base64"}}.'
        )
    return [_decode_base64(value) for value in values]


def _decode_base64(value: object) -> bytes:
    try:
        if not isinstance(value, str):
            raise ValueError
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise InvalidInput(f"An image of {_INPUT} is not base64.") from error


def _listed(array: Array) -> list[object]:
    return [value.decode() if isinstance(value, bytes) else value for value in array.tolist()]


def main() -> None:
    """Serves until the process is told to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the base path")
    parser.add_argument("--name", required=True, help="the model's name in the addresses")
    parser.add_argument("--port", type=int, required=True, help="for HTTP")
    parser.add_argument("--grpc-port", type=int, help="for gRPC, which is not spoken otherwise")
    arguments = parser.parse_args()
    model = SavedModel(arguments.name, arguments.folder)
    model.load()
    server = kserve.ModelServer(
        http_port=arguments.port,
        enable_grpc=arguments.grpc_port is not None,
        grpc_port=arguments.grpc_port,
        workers=1,
        registered_models=Repository(model),
    )
    server.start([model])


if __name__ == "__main__":
    main()
