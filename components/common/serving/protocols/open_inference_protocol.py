"""The Open Inference Protocol (V2) over HTTP, with the binary tensor extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
"""

import dataclasses
import functools
import json
from importlib.metadata import version

from aiohttp import web

from graft.components.common.serving.batching import Arrays
from graft.components.common.serving.protocols.json_body import parse_json
from graft.components.common.serving.protocols.open_inference_messages import (
    InferRequest,
    Output,
    binary_tensor,
    bytes_of,
    listed,
)
from graft.components.common.serving.protocols.values import check_inputs, check_shape
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.served_model import ServedModel
from graft.components.common.serving.signatures import (
    DEFAULT_SIGNATURE,
    INFERENCE_NAMES,
    STRING,
    Signature,
    TensorSpec,
)

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The length of the JSON that binary tensors follow."""

Json = dict[str, object]


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What is asked for: a signature of inputs, and which outputs, by name, are told in binary form."""

    signature: str
    inputs: Arrays
    outputs: dict[str, bool]
    id: str | None


def routes(model: ServedModel) -> list[web.RouteDef]:
    """Returns what a server answers for a model."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"ready": True})

    async def server(_: web.Request) -> web.Response:
        versions = f"{version('graft')} with TensorFlow {model.session.version}"
        return web.json_response({"name": "graft", "version": versions, "extensions": ["binary_tensor_data"]})

    async def metadata(request: web.Request) -> web.Response:
        model.check(request.match_info["name"], request.match_info.get("version"))
        return web.json_response(_metadata(model))

    async def model_ready(request: web.Request) -> web.Response:
        model.check(request.match_info["name"], request.match_info.get("version"))
        return web.json_response({"name": model.name, "ready": True})

    async def infer(request: web.Request) -> web.Response:
        model.check(request.match_info["name"], request.match_info.get("version"))
        length = request.headers.get(HEADER_LENGTH)
        async with model.body(request) as body:
            asked = await model.parse(functools.partial(_parse, body, length, model.session.signatures))
            return _answer(model, asked, await model.predict(asked.signature, asked.inputs))

    models = "/v2/models/{name:[^/]+}"
    return [web.get("/v2", server), web.get("/v2/health/live", live), web.get("/v2/health/ready", ready)] + [
        route
        for place in (models, models + r"/versions/{version:[^/]+}")
        for route in (
            web.post(f"{place}/infer", infer),
            web.get(place, metadata),
            web.get(f"{place}/ready", model_ready),
        )
    ]


def _parse(body: bytes, length: str | None, signatures: dict[str, Signature]) -> _Asked:
    header, binary = _parts(body, length)
    asked = parse_json(header, InferRequest)
    name, signature = _signature_of([given.name for given in asked.inputs], signatures)
    inputs = {}
    for given in asked.inputs:
        spec, where = signature.inputs[given.name], f"Input {given.name}"
        if given.datatype != INFERENCE_NAMES[spec.dtype]:
            raise Refusal(f"{where} must be of datatype {INFERENCE_NAMES[spec.dtype]}, and not {given.datatype}.")
        check_shape(given.shape, spec, where)
        size = given.parameters.binary_data_size
        if (size is None) == (given.data is None):
            raise Refusal(f"{where} must have 'data' or 'binary_data_size', and not both.")
        if size is None:
            inputs[given.name] = listed(given, spec, where)
        else:
            inputs[given.name] = binary_tensor(binary[:size], size, given.shape, spec, where)
            binary = binary[size:]
    if len(binary):
        raise Refusal(f"{len(binary)} bytes follow the last binary tensor.")
    check_inputs(inputs, signature)
    wanted = asked.outputs or [Output(name=output) for output in signature.outputs]
    outputs = {}
    for output in wanted:
        if output.name not in signature.outputs:
            raise Refusal(f"There is no output {output.name}, but {', '.join(signature.outputs)}.")
        told = output.parameters.binary_data
        outputs[output.name] = asked.parameters.binary_data_output if told is None else told
    return _Asked(name, inputs, outputs, asked.id)


def _parts(body: bytes, length: str | None) -> tuple[memoryview, memoryview]:
    """Returns the JSON and the binary tensors behind it."""
    if length is None:
        return memoryview(body), memoryview(b"")
    if not (
        length.isascii() and length.isdecimal() and len(length) <= len(str(len(body))) and int(length) <= len(body)
    ):
        raise Refusal(f"{HEADER_LENGTH} must be a number up to the length of the body, {len(body)}.")
    return memoryview(body)[: int(length)], memoryview(body)[int(length) :]


def _signature_of(names: list[str], signatures: dict[str, Signature]) -> tuple[str, Signature]:
    """Returns the signature that has these inputs, the default one first."""
    for name in sorted(signatures, key=lambda name: name != DEFAULT_SIGNATURE):
        if sorted(names) == sorted(signatures[name].inputs):
            return name, signatures[name]
    known = sorted({", ".join(signature.inputs) for signature in signatures.values()})
    raise Refusal(f"The inputs must be {' or '.join(known)}, and not {', '.join(names) or 'none'}.")


def _answer(model: ServedModel, asked: _Asked, outputs: Arrays) -> web.Response:
    told, binary = [], []
    for name, is_binary in asked.outputs.items():
        array = outputs[name]
        dtype = model.session.signatures[asked.signature].outputs[name].dtype
        tensor: Json = {"name": name, "shape": list(array.shape), "datatype": INFERENCE_NAMES[dtype]}
        if is_binary:
            content = bytes_of(array, dtype)
            binary.append(content)
            tensor["parameters"] = {"binary_data_size": len(content)}
        else:
            values = array.ravel().tolist()
            tensor["data"] = [value.decode(errors="replace") for value in values] if dtype == STRING else values
        told.append(tensor)
    answer: Json = {"model_name": model.name, "model_version": str(model.version), "outputs": told}
    if asked.id is not None:
        answer["id"] = asked.id
    header = json.dumps(answer).encode()
    if not binary:
        return web.Response(body=header, content_type="application/json")
    return web.Response(
        body=b"".join([header, *binary]),
        content_type="application/octet-stream",
        headers={HEADER_LENGTH: str(len(header))},
    )


def _metadata(model: ServedModel) -> Json:
    signature = model.session.signatures[DEFAULT_SIGNATURE]

    def tensors(specs: dict[str, TensorSpec]) -> list[Json]:
        return [
            {
                "name": name,
                "datatype": INFERENCE_NAMES[spec.dtype],
                "shape": [-1 if size is None else size for size in spec.shape],
            }
            for name, spec in specs.items()
        ]

    return {
        "name": model.name,
        "versions": [str(model.version)],
        "platform": "tensorflow_savedmodel",
        "inputs": tensors(signature.inputs),
        "outputs": tensors(signature.outputs),
    }
