"""The Open Inference Protocol, as KServe, MLServer and Triton speak it."""

import base64
import io
import json
import struct

import numpy as np
import pytest
import requests
from PIL import Image

pytestmark = pytest.mark.slow


def post(server, body, place="infer"):
    answer = requests.post(server.infer.replace("infer", place), json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def encoded(*images, **more):
    data = [base64.b64encode(image).decode() for image in images]
    given = {"name": "image_bytes", "shape": [len(images)], "datatype": "BYTES", "data": data}
    return {"inputs": [given | {"parameters": {"content_type": "base64"}}], **more}


def outputs(answer):
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer["outputs"]}


def post_binary(server, header, *tensors):
    """Sends JSON with binary tensors behind it, and returns the JSON of the answer and the binary tensors in it by name."""
    told = json.dumps(header).encode()
    headers = {"Inference-Header-Content-Length": str(len(told)), "Content-Type": "application/octet-stream"}
    answer = requests.post(server.infer, data=b"".join([told, *tensors]), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.content)))
    content, rest = json.loads(answer.content[:length]), answer.content[length:]
    binary = {}
    for output in content["outputs"]:
        if size := output.get("parameters", {}).get("binary_data_size"):
            binary[output["name"]], rest = rest[:size], rest[size:]
    assert rest == b""
    return content, binary


def packed(*strings):
    return b"".join(struct.pack("<I", len(string)) + string for string in strings)


@pytest.mark.parametrize("place", ["infer", "versions/1/infer"])
def test_base64_gives_what_evaluate_got(server, images, probabilities, place):
    answer = post(server, encoded(*images, id="42"), place)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("pets", "1", "42")
    kinds = {output["name"]: (output["datatype"], output["shape"]) for output in answer["outputs"]}
    assert kinds == {"class": ("INT64", [20]), "label": ("BYTES", [20]), "probabilities": ("FP32", [20, 2])}
    got = outputs(answer)
    assert np.abs(got["probabilities"] - probabilities).max() < 1e-6
    assert got["class"].tolist() == probabilities.argmax(axis=1).tolist()
    assert got["label"].tolist() == [("cats", "dogs")[number] for number in got["class"]]


def test_outputs_are_those_that_are_asked_for(server, images):
    answer = post(server, encoded(images[0], outputs=[{"name": "label"}]))
    assert [output["name"] for output in answer["outputs"]] == ["label"]
    assert "id" not in answer


def test_binary_tensors_give_the_same(server, images):
    expected = outputs(post(server, encoded(*images[:3])))
    content = packed(*images[:3])
    given = {"name": "image_bytes", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": len(content)}}
    answer, _ = post_binary(server, {"inputs": [given]}, content)
    np.testing.assert_allclose(outputs(answer)["probabilities"], expected["probabilities"], atol=1e-6)

    wanted = [{"name": "label", "parameters": {"binary_data": False}}, {"name": "probabilities"}, {"name": "class"}]
    parameters = {"binary_data_output": True}
    answer, binary = post_binary(server, {"inputs": [given], "outputs": wanted, "parameters": parameters}, content)
    assert [output["name"] for output in answer["outputs"]] == ["label", "probabilities", "class"]
    probabilities = np.frombuffer(binary["probabilities"], "<f4").reshape(3, 2)
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-6)
    assert np.frombuffer(binary["class"], "<i8").tolist() == expected["class"].tolist()
    assert answer["outputs"][0]["data"] == expected["label"].tolist()

    label = [{"name": "label", "parameters": {"binary_data": True}}]
    _, binary = post_binary(server, {"inputs": [given], "outputs": label}, content)
    assert binary["label"] == packed(*(text.encode() for text in expected["label"].tolist()))


def test_pixels_are_chosen_by_the_input_s_name(server, images):
    image = Image.open(io.BytesIO(images[0])).convert("RGB").resize((20, 10))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    expected = outputs(post(server, encoded(buffer.getvalue())))["probabilities"]
    pixels = np.asarray(image)[None]
    given = {"name": "image", "shape": [1, 10, 20, 3], "datatype": "UINT8"}
    for data in (pixels.tolist(), pixels.ravel().tolist()):
        answer = post(server, {"inputs": [given | {"data": data}]})
        np.testing.assert_allclose(outputs(answer)["probabilities"], expected, atol=1e-6)
    binary = given | {"parameters": {"binary_data_size": pixels.size}}
    answer, _ = post_binary(server, {"inputs": [binary]}, pixels.tobytes())
    np.testing.assert_allclose(outputs(answer)["probabilities"], expected, atol=1e-6)


def test_health_and_metadata(server):
    def get(place):
        answer = requests.get(f"{server.url}/v2{place}", timeout=60)
        return answer.status_code, answer.json()

    assert get("/health/live") == (200, {"live": True})
    assert get("/health/ready") == (200, {"ready": True})
    assert get("/models/pets/ready") == get("/models/pets/versions/1/ready") == (200, {"name": "pets", "ready": True})
    status, answer = get("")
    assert (status, answer["name"], answer["extensions"]) == (200, "graft", ["binary_tensor_data"])
    assert get("/models/pets") == (
        200,
        {
            "name": "pets",
            "versions": ["1"],
            "platform": "tensorflow_savedmodel",
            "inputs": [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [
                {"name": "class", "datatype": "INT64", "shape": [-1]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
            ],
        },
    )
    for place in ("/models/cars", "/models/cars/ready", "/models/pets/versions/2", "/models"):
        status, answer = get(place)
        assert status == 404 and answer["error"]
