"""A request that can't be answered is told so in one sentence, and the next one is answered."""

import base64
import json
import struct
import zlib

import pytest
import requests
from served import b64

pytestmark = pytest.mark.slow

SIZE = "Inference-Header-Content-Length"


def png(width, height):
    """Returns a PNG whose header tells a size that its few bytes don't have."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


BAD_IMAGES = {
    "cut off": (None, "JPEG"),
    "text": (b"no image", "is no JPEG, PNG, GIF or BMP"),
    "empty": (b"", "is no JPEG, PNG, GIF or BMP"),
    "huge": (png(40000, 40000), "send it smaller"),
    "too many pixels": (png(10_001, 10_001), "100 million in all: send it smaller"),
    "larger than an int": (png(2**31 - 1, 2**31 - 1), "send it smaller"),
}


@pytest.fixture
def answered(server, images):
    """A good request, which is answered after each bad one."""
    yield
    assert server.predict(images[0])[0]["label"] in ("cats", "dogs")
    assert server.process.poll() is None


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_image(server, images, answered, kind):
    image, reason = BAD_IMAGES[kind]
    image = images[0][: len(images[0]) // 3] if image is None else image
    rows = {"instances": [b64(images[0]), b64(image)]}
    data = [base64.b64encode(image).decode()]
    tensor = {"name": "image_bytes", "shape": [1], "datatype": "BYTES", "data": data}
    tensors = {"inputs": [tensor | {"parameters": {"content_type": "base64"}}]}
    for place, body in ((f"{server.model}:predict", rows), (server.infer, tensors)):
        answer = requests.post(place, json=body, timeout=60)
        assert answer.status_code == 400, answer.text
        assert reason in answer.json()["error"]
        assert "\n" not in answer.json()["error"]


GOOD = b64(b"")
PIXELS = {"signature_name": "serve_pixels"}
BAD_ROWS = {
    "no JSON": b"instances = [1]",
    "nothing": b"",
    "no UTF-8": b'{"instances": ["\xff"]}',
    "half a surrogate": b'{"instances": ["\\ud800"]}',
    "a list": b"[]",
    "nested deeply": b'{"instances": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "nested as deeply as JSON may be": b'{"instances": ' + b"[" * 150 + b"]" * 150 + b"}",
    "objects nested deeply": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of a million digits": b'{"instances": [' + b"9" * 1_000_000 + b"]}",
    "no instances": {},
    "null": {"instances": None},
    "both forms": {"instances": [GOOD], "inputs": [GOOD]},
    "no rows": {"instances": []},
    "no column": {"inputs": []},
    "no inputs": {"inputs": {}},
    "a text for a list": {"instances": "text"},
    "a number for a text": {"instances": [1]},
    "null for a text": {"instances": [None]},
    "no base64": {"instances": [{"b64": "***"}]},
    "a number for base64": {"instances": [{"b64": 1}]},
    "another key": {"instances": [{"image": GOOD}]},
    "a key too many": {"instances": [{"image_bytes": GOOD, "b64": ""}]},
    "an empty row": {"instances": [{}]},
    "rows of two kinds": {"instances": [GOOD, {"image_bytes": GOOD}]},
    "texts nested": {"instances": [[GOOD]]},
    "ragged texts": {"instances": [["a"], "b"]},
    "another signature": {"signature_name": "none", "instances": [GOOD]},
    "a number for a signature": {"signature_name": 1, "instances": [GOOD]},
    "too many images": {"instances": [""] * 129},
    "one column as a scalar": {"inputs": {"image_bytes": GOOD}},
    "pixels that are ragged": PIXELS | {"instances": [[[[1, 2, 3], [1, 2]]]]},
    "pixels of different sizes": PIXELS | {"instances": [[[[1, 2, 3]]], [[[1, 2, 3], [1, 2, 3]]]]},
    "pixels of two channels": PIXELS | {"instances": [[[[1, 2]]]]},
    "pixels out of range": PIXELS | {"instances": [[[[1, 2, 256]]]]},
    "negative pixels": PIXELS | {"instances": [[[[1, 2, -1]]]]},
    "huge pixels": PIXELS | {"instances": [[[[1, 2, 10**30]]]]},
    "pixels with fractions": PIXELS | {"instances": [[[[1, 2, 0.5]]]]},
    "pixels that are truths": PIXELS | {"instances": [[[[1, 2, True]]]]},
    "pixels that are texts": PIXELS | {"instances": [[[[1, 2, "x" * 100_000]]]] * 100},
    "no pixels": PIXELS | {"instances": [[]]},
    "images of no height": PIXELS | {"instances": [[[]]]},
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_body(server, answered, kind):
    body = BAD_ROWS[kind]
    body = body if isinstance(body, bytes) else json.dumps(body)
    answer = requests.post(f"{server.model}:predict", data=body, timeout=60)
    assert answer.status_code == 400, answer.text
    assert_one_sentence(answer)


def assert_one_sentence(answer):
    (error,) = answer.json().values()
    assert 10 < len(error) < 400 and "\n" not in error and error.endswith("."), error


TENSOR = {"name": "image_bytes", "shape": [1], "datatype": "BYTES"}
IMAGE = {"name": "image", "shape": [1, 1, 1, 3], "datatype": "UINT8"}
BINARY = {"parameters": {"binary_data_size": 8}}
BAD_TENSORS = {
    "no inputs": {},
    "none": {"inputs": []},
    "another name": {"inputs": [TENSOR | {"name": "x", "data": ["a"]}]},
    "twice": {"inputs": [TENSOR | {"data": ["a"]}] * 2},
    "another datatype": {"inputs": [TENSOR | {"datatype": "FP32", "data": [1.0]}]},
    "no data": {"inputs": [TENSOR]},
    "data twice": {"inputs": [TENSOR | BINARY | {"data": ["a"]}]},
    "data that isn't there": {"inputs": [TENSOR | BINARY]},
    "another rank": {"inputs": [TENSOR | {"shape": [1, 1], "data": ["a"]}]},
    "a negative size": {"inputs": [TENSOR | {"shape": [-1], "data": ["a"]}]},
    "a size that is true": {"inputs": [TENSOR | {"shape": [True], "data": ["a"]}]},
    "a huge size": {"inputs": [IMAGE | {"shape": [1, 2**40, 2**40, 3], "data": [1, 2, 3]}]},
    "a huge size, binary": {"inputs": [IMAGE | BINARY | {"shape": [1, 2**40, 2**40, 3]}]},
    "a size beyond 64 bits": {"inputs": [IMAGE | {"shape": [1, 10**30, 1, 3], "data": [1, 2, 3]}]},
    "sizes of thousands of digits": {"inputs": [IMAGE | {"shape": [1, 10**3000, 10**3000, 3], "data": [1, 2, 3]}]},
    "a size of the bytes beyond 64 bits": {"inputs": [TENSOR | {"parameters": {"binary_data_size": 2**64}}]},
    "a huge number of texts": {"inputs": [TENSOR | {"shape": [2**60], "data": ["a"]}]},
    "fewer values": {"inputs": [IMAGE | {"data": [1, 2]}]},
    "more values": {"inputs": [IMAGE | {"data": [1, 2, 3, 4]}]},
    "ragged": {"inputs": [IMAGE | {"data": [[[[1, 2], 3]]]}]},
    "no base64": {"inputs": [TENSOR | {"data": ["***"], "parameters": {"content_type": "base64"}}]},
    "an output that isn't there": {"inputs": [TENSOR | {"data": ["a"]}], "outputs": [{"name": "x"}]},
    "no images": {"inputs": [TENSOR | {"shape": [0], "data": []}]},
    "no pixels in a huge image": {"inputs": [IMAGE | {"shape": [1, 0, 2**62, 3], "data": []}]},
    "no pixels": {"inputs": [IMAGE | {"shape": [1, 0, 0, 3], "data": []}]},
    "too many": {"inputs": [TENSOR | {"shape": [129], "data": ["a"] * 129}]},
}


@pytest.mark.parametrize("kind", BAD_TENSORS)
def test_a_bad_tensor(server, answered, kind):
    answer = requests.post(server.infer, json=BAD_TENSORS[kind], timeout=60)
    assert answer.status_code == 400, answer.text
    assert_one_sentence(answer)


BAD_BINARY = {
    "a size that isn't there": ({"inputs": [TENSOR | BINARY]}, b"1234567"),
    "bytes too many": ({"inputs": [TENSOR | BINARY]}, struct.pack("<I4s", 4, b"abcd") + b"more"),
    "a length that lies": ({"inputs": [TENSOR | BINARY]}, struct.pack("<I4s", 5, b"abcd")),
    "a huge length": ({"inputs": [TENSOR | BINARY]}, struct.pack("<I4s", 2**32 - 1, b"abcd")),
    "two strings for one": ({"inputs": [TENSOR | BINARY]}, struct.pack("<II", 0, 0)),
    "one string for two": ({"inputs": [TENSOR | BINARY | {"shape": [2]}]}, struct.pack("<I4s", 4, b"abcd")),
    "fewer pixels than bytes": ({"inputs": [IMAGE | BINARY]}, bytes(8)),
    "a negative size": ({"inputs": [TENSOR | {"parameters": {"binary_data_size": -1}}]}, b""),
}


@pytest.mark.parametrize("kind", BAD_BINARY)
def test_a_bad_binary_tensor(server, answered, kind):
    header, content = BAD_BINARY[kind]
    told = json.dumps(header).encode()
    answer = requests.post(server.infer, data=told + content, headers={SIZE: str(len(told))}, timeout=60)
    assert answer.status_code == 400, answer.text
    assert_one_sentence(answer)


@pytest.mark.parametrize("length", ["-1", "x", "1000000", "9" * 5000, "1e3", "٣"])
def test_a_bad_length_of_the_json(server, answered, length):
    answer = requests.post(server.infer, data=b"{}", headers={SIZE: length.encode()}, timeout=60)
    assert answer.status_code == 400
    assert_one_sentence(answer)


def test_a_body_that_is_too_large(server, answered):
    def chunks():  # of which no header tells the length
        for _ in range(70):
            yield bytes(2**20)

    for body in (bytes(65 * 2**20), chunks()):
        try:
            answer = requests.post(f"{server.model}:predict", data=body, timeout=60)
        except requests.ConnectionError:  # the server answers before all is sent, which not all clients look for
            continue
        assert answer.status_code == 413
        assert "64 MiB" in answer.json()["error"]


def test_a_small_body_that_becomes_too_large(server, answered):
    packed = zlib.compressobj(wbits=31)
    body = b"".join([*(packed.compress(bytes(2**20)) for _ in range(200)), packed.flush()])
    answer = requests.post(f"{server.model}:predict", data=body, headers={"Content-Encoding": "gzip"}, timeout=60)
    assert answer.status_code in (400, 413), answer.text


def test_a_body_that_is_not_packed_as_it_says(server, answered):
    pieces = (piece for piece in (b"no ", b"gzip"))  # so that the headers come first
    answer = requests.post(f"{server.model}:predict", data=pieces, headers={"Content-Encoding": "gzip"}, timeout=60)
    assert answer.status_code == 400, answer.text
    assert_one_sentence(answer)


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1", b"[" * 90 + b"]" * 90])
def test_a_body_of_many_small_values_is_not_taken_apart(server, answered, value):
    """The lists of one of 60 MiB would take 6 GiB."""
    count = 5_000_000 // (value.count(b"[") or 1)
    body = b'{"instances": [' + b",".join([value] * count) + b"]}"
    for place in (f"{server.model}:predict", server.infer):
        answer = requests.post(place, data=body, timeout=60)
        assert answer.status_code == 413, answer.text
        assert_one_sentence(answer)
