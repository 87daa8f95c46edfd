"""TensorFlow Serving's REST interface answers as TensorFlow Serving documents it."""

import io

import numpy as np
import pytest
import requests
from PIL import Image
from served import b64

pytestmark = pytest.mark.slow


def post(server, body, place=":predict"):
    answer = requests.post(f"{server.model}{place}", json=body, timeout=60)
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.status_code, answer.json()


def test_rows_give_what_evaluate_got(server, images, probabilities):
    predictions = server.predict(*images)
    assert np.abs(np.array([row["probabilities"] for row in predictions]) - probabilities).max() < 1e-6
    assert [row["label"] for row in predictions] == [("cats", "dogs")[row["class"]] for row in predictions]
    assert [row["class"] for row in predictions] == probabilities.argmax(axis=1).tolist()


def test_the_example_of_a_request_is_answered(server, chain):
    body = (chain / "export/serving/request.json").read_bytes()
    answer = requests.post(f"{server.model}:predict", data=body, timeout=60)
    assert list(answer.json()["predictions"][0]) == ["class", "label", "probabilities"]


@pytest.mark.parametrize("place", [":predict", "/versions/1:predict"])
def test_every_form_of_a_request_gives_the_same(server, images, place):
    encoded = [b64(image) for image in images[:3]]
    expected = server.predict(*images[:3])
    for body in (
        {"instances": encoded},
        {"signature_name": "serve_bytes", "instances": encoded},
        {"signature_name": "", "instances": [{"image_bytes": image} for image in encoded]},
    ):
        status, answer = post(server, body, place)
        assert (status, list(answer)) == (200, ["predictions"])
        assert_close(answer["predictions"], expected)
    for inputs in (encoded, {"image_bytes": encoded}):
        status, answer = post(server, {"inputs": inputs}, place)
        assert (status, list(answer), list(answer["outputs"])) == (
            200,
            ["outputs"],
            ["class", "label", "probabilities"],
        )
        rows = [dict(zip(answer["outputs"], row, strict=True)) for row in zip(*answer["outputs"].values(), strict=True)]
        assert_close(rows, expected)


def assert_close(got, expected):
    assert [row["label"] for row in got] == [row["label"] for row in expected]
    probabilities = [[row["probabilities"] for row in rows] for rows in (got, expected)]
    np.testing.assert_allclose(*probabilities, atol=1e-6)


def test_pixels_are_answered_like_the_encoded_image(server, images):
    image = Image.open(io.BytesIO(images[0])).convert("RGB").resize((20, 10))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    pixels = np.asarray(image).tolist()
    expected = server.predict(buffer.getvalue())
    for body in ({"instances": [pixels]}, {"instances": [{"image": pixels}]}):
        status, answer = post(server, body | {"signature_name": "serve_pixels"})
        assert status == 200
        assert_close(answer["predictions"], expected)
    status, answer = post(server, {"inputs": {"image": [pixels, pixels]}, "signature_name": "serve_pixels"})
    assert (status, len(answer["outputs"]["label"])) == (200, 2)


def test_more_images_than_run_together_are_answered_in_their_order(server, images):
    expected = server.predict(*images)
    got = server.predict(*(images * 6)[:100])
    assert_close(got, (expected * 6)[:100])


@pytest.mark.parametrize("place", ["", "/versions/1"])
def test_the_status_says_that_the_version_is_available(server, place):
    answer = requests.get(f"{server.model}{place}", timeout=60).json()
    status = {"error_code": "OK", "error_message": ""}
    assert answer == {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]}


def test_the_metadata_is_what_tensorflow_reads_in_the_saved_model(server, chain):
    from google.protobuf.json_format import MessageToDict
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    answer = requests.get(f"{server.model}/metadata", timeout=60).json()
    assert answer["model_spec"] == {"name": "pets", "signature_name": "", "version": "1"}
    content = (chain / "export/serving/model/1/saved_model.pb").read_bytes()
    (graph,) = SavedModel.FromString(content).meta_graphs
    told = answer["metadata"]["signature_def"]["signature_def"]
    assert set(told) == {"serving_default", "serve_bytes", "serve_pixels"}
    for name, signature in told.items():
        expected = MessageToDict(graph.signature_def[name], preserving_proto_field_name=True)
        for tensor in (*signature["inputs"].values(), *signature["outputs"].values()):
            assert tensor["tensor_shape"].pop("unknown_rank") is False
            assert [dim.pop("name") for dim in tensor["tensor_shape"]["dim"]] == [""] * len(
                tensor["tensor_shape"]["dim"]
            )
        expected.pop("defaults", None)
        assert signature == expected


@pytest.mark.parametrize(
    ("method", "place", "status", "said"),
    [
        ("GET", "/v1/models/cars", 404, "no model cars"),
        ("GET", "/v1/models/pets/versions/2", 404, "no model pets, version 2"),
        ("POST", "/v1/models/cars:predict", 404, "no model cars"),
        ("POST", "/v1/models/pets/versions/2:predict", 404, "version 2"),
        ("GET", "/v1/models/pets:predict", 400, "Malformed request: GET /v1/models/pets:predict"),
        ("POST", "/v1/models/pets:classify", 400, "Malformed request"),
        ("POST", "/v1/models/pets/versions/first:predict", 400, "Malformed request"),
        ("GET", "/v1/foo", 400, "Malformed request"),
        ("GET", "/foo", 404, "Not Found"),
        ("PUT", "/", 405, "Method Not Allowed"),
    ],
)
def test_what_isn_t_there_is_told_as_tensorflow_serving_does(server, method, place, status, said):
    answer = requests.request(method, f"{server.url}{place}", json={"instances": [""]}, timeout=60)
    assert answer.status_code == status
    assert said in answer.json()["error"]
