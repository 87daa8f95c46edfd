"""TensorFlow Serving's REST interface: https://www.tensorflow.org/tfx/serving/api_rest."""

import base64
import functools
import json
from collections.abc import Callable

from aiohttp import web

from graft.components.common.serving.batching import Arrays
from graft.components.common.serving.protocols.json_body import JsonPart, parse_json
from graft.components.common.serving.protocols.values import array_of, check_inputs, decode_base64
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.served_model import ServedModel
from graft.components.common.serving.session import SavedModelSession
from graft.components.common.serving.signatures import (
    DEFAULT_SIGNATURE,
    TENSORFLOW_NAMES,
    Signature,
    TensorSpec,
)

_BINARY = "b64"
# What is told as base64, by the name of the output.
_BINARY_SUFFIX = "_bytes"

Json = dict[str, object]


class _PredictRequest(JsonPart):
    """The body of a prediction: `instances`, a row an image, or `inputs`, a column an input."""

    signature_name: str = DEFAULT_SIGNATURE
    instances: list[object] | None = None
    inputs: object = None


def routes(model: ServedModel) -> list[web.RouteDef]:
    """Returns what a server answers for a model."""

    async def predict(request: web.Request) -> web.Response:
        model.check(request.match_info["name"], request.match_info.get("version"))
        async with model.body(request) as body:
            signature, inputs, answer = await model.parse(functools.partial(_parse, body, model.session.signatures))
            return web.json_response(answer(await model.predict(signature, inputs)))

    async def status(request: web.Request) -> web.Response:
        model.check(request.match_info["name"], request.match_info.get("version"))
        state = {"error_code": "OK", "error_message": ""}
        version = {"version": str(model.version), "state": "AVAILABLE", "status": state}
        return web.json_response({"model_version_status": [version]})

    async def metadata(request: web.Request) -> web.Response:
        model.check(request.match_info["name"], request.match_info.get("version"))
        return web.json_response(_metadata(model))

    async def malformed(request: web.Request) -> web.Response:
        raise Refusal(f"Malformed request: {request.method} {request.path}")

    models = "/v1/models/{name:[^/:]+}"
    return [
        route
        for place in (models, models + r"/versions/{version:\d+}")
        for route in (
            web.post(f"{place}:predict", predict),
            web.get(place, status),
            web.get(f"{place}/metadata", metadata),
        )
    ] + [web.route("*", "/v1/{rest:.*}", malformed)]


def answer_to(body: bytes, session: SavedModelSession) -> bytes:
    """Returns the body of the answer to a request for predictions, of which no other is under way.

    Raises:
        Refusal: The request can't be understood, or the model doesn't take it.
        TensorFlowError: TensorFlow can't do it.
    """
    signature, inputs, answer = _parse(body, session.signatures)
    return json.dumps(answer(session.run(signature, inputs))).encode()


def _parse(body: bytes, signatures: dict[str, Signature]) -> tuple[str, Arrays, Callable[[Arrays], Json]]:
    """Returns the signature that is asked for, its inputs, and what makes an answer of its outputs."""
    asked = parse_json(body, _PredictRequest)
    name = asked.signature_name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise Refusal(
            f'Serving signature name: "{name}" not found in signature def, which has {", ".join(signatures)}.'
        )
    signature = signatures[name]
    given = asked.model_fields_set & {"instances", "inputs"}
    if len(given) != 1:
        raise Refusal("A request must have one of 'instances' and 'inputs'.")
    if asked.instances is not None:
        columns, answer = _columns_of(asked.instances, signature), _rows
    elif given == {"inputs"}:
        columns, answer = _named(asked.inputs, signature), _columns
    else:
        raise Refusal("'instances' must be a list.")
    inputs: Arrays = {
        key: array_of(value, signature.inputs[key], f"Input {key}", _string) for key, value in columns.items()
    }
    check_inputs(inputs, signature)
    return name, inputs, answer


def _is_object(value: object) -> bool:
    """Tells whether a value is an object of inputs by name, and not the value of one."""
    return isinstance(value, dict) and set(value) != {_BINARY}


def _columns_of(instances: list[object], signature: Signature) -> Json:
    """Returns the values of all rows by input."""
    if not any(map(_is_object, instances)):
        return _named(instances, signature)
    rows = [_named(instance, signature) if _is_object(instance) else {} for instance in instances]
    if not all(rows):
        raise Refusal("All of 'instances' must be objects of inputs by name, or none.")
    return {name: [row[name] for row in rows] for name in signature.inputs}


def _named(value: object, signature: Signature) -> Json:
    """Returns values by input; where there is one input alone, its name may be left out."""
    if isinstance(value, dict) and _is_object(value):
        if set(value) != set(signature.inputs):
            raise Refusal(
                f"Inputs must be {', '.join(signature.inputs)}, and not {', '.join(map(str, value)) or 'none'}."
            )
        return value
    if len(signature.inputs) != 1:
        raise Refusal(f"Inputs must be an object with {', '.join(signature.inputs)}.")
    return dict.fromkeys(signature.inputs, value)


def _string(value: object, where: str) -> bytes:
    """Returns the bytes of a text, or of {"b64": …}."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and set(value) == {_BINARY}:
        return decode_base64(value[_BINARY], where)
    raise Refusal(f'{where} must hold texts or {{"{_BINARY}": base64}}.')


def _rows(outputs: Arrays) -> Json:
    columns = _listed(outputs)
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def _columns(outputs: Arrays) -> Json:
    columns = _listed(outputs)
    return {"outputs": columns if len(columns) != 1 else next(iter(columns.values()))}


def _listed(outputs: Arrays) -> dict[str, list[object]]:
    return {name: _told(array.tolist(), name.endswith(_BINARY_SUFFIX)) for name, array in outputs.items()}


def _told(values: list[object], binary: bool) -> list[object]:
    """Returns nested lists with bytes as JSON takes them."""

    def tell(value: object) -> object:
        if isinstance(value, bytes):
            return {_BINARY: base64.b64encode(value).decode()} if binary else value.decode(errors="replace")
        return [tell(item) for item in value] if isinstance(value, list) else value

    return [tell(value) for value in values]


def _metadata(model: ServedModel) -> Json:
    signatures = {
        name: {
            "inputs": {key: _tensor_info(spec) for key, spec in signature.inputs.items()},
            "outputs": {key: _tensor_info(spec) for key, spec in signature.outputs.items()},
            "method_name": signature.method,
        }
        for name, signature in model.session.signatures.items()
    }
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _tensor_info(spec: TensorSpec) -> Json:
    dims = [{"size": str(-1 if size is None else size), "name": ""} for size in spec.shape]
    return {
        "dtype": TENSORFLOW_NAMES[spec.dtype],
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": spec.tensor,
    }
