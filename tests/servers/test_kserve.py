"""KServe's own server, in an environment of its own, serves an Export: `make servers` makes that environment and runs this."""

import base64
import contextlib
import json
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sent_images import bad_images, odd_images
from support import ROOT, free_port, skip

from graft.components.common.serving.session import SavedModelSession
from graft.components.export.acceptance.parity import EvaluatedImages
from graft.components.export.acceptance.validation import ask, tried_server
from graft.components.export.formats import KERAS

pytestmark = pytest.mark.slow

PYTHON = ROOT / "build/servers/kserve/bin/python"
SCRIPT = ROOT / "components/export/acceptance/kserve_server.py"
GRPC_CLIENT = ROOT / "tests/servers/grpc_client.py"
INPUT = "image_bytes"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="session", autouse=True)
def python():
    if not PYTHON.exists():
        skip("kserve", f"{PYTHON.relative_to(ROOT)} doesn't exist: make servers")
    return PYTHON


@pytest.fixture(scope="module")
def base_path(chain, tmp_path_factory):
    """A base path with version 1, in a folder whose name looks like a pattern."""
    folder = tmp_path_factory.mktemp("kserve") / "serving [1]*" / "model"
    shutil.copytree(chain / "export/serving/model", folder)
    return folder


class Server:
    """A server that runs, and a client of it."""

    def __init__(self, process, port, grpc_port):
        self.process, self.port, self.grpc_port = process, port, grpc_port

    def ask(self, path, body=None):
        """Returns the status and the JSON of an answer."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, JSON)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@contextlib.contextmanager
def serving(folder, log):
    port, grpc_port = free_port(), free_port()
    command = [PYTHON, "-I", SCRIPT, folder, "--name", "pets", "--port", str(port), "--grpc-port", str(grpc_port)]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        server = Server(process, port, grpc_port)
        try:
            while process.poll() is None:
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    if server.ask("/v2/models/pets/ready")[0] == 200:
                        break
                time.sleep(0.1)
            assert process.poll() is None, log.read_text()
            yield server
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(base_path, tmp_path_factory):
    with serving(base_path, tmp_path_factory.mktemp("log") / "kserve.log") as server:
        yield server


def v1(*images):
    return {"instances": [{INPUT: {"b64": base64.b64encode(image).decode()}} for image in images]}


def v2(*images, **others):
    data = [base64.b64encode(image).decode() for image in images]
    given = {"name": INPUT, "shape": [len(images)], "datatype": "BYTES", "data": data}
    return {"inputs": [{**given, "parameters": {"content_type": "base64"}}], **others}


def by_v1(server, images):
    status, answer = server.ask("/v1/models/pets:predict", v1(*images))
    assert status == 200, answer
    return [(row["label"], row["class"], row["probabilities"]) for row in answer["predictions"]]


def by_v2(server, images):
    status, answer = server.ask("/v2/models/pets/infer", v2(*images))
    assert status == 200, answer
    return _rows(answer, len(images))


def by_grpc(server, images, tmp_path):
    status, answer = ask_by_grpc(server, images, tmp_path)
    assert status == "OK", answer
    return _rows(answer, len(images))


def ask_by_grpc(server, images, tmp_path):
    paths = []
    for number, image in enumerate(images):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(image)
    command = [PYTHON, "-I", GRPC_CLIENT, f"127.0.0.1:{server.grpc_port}", "pets", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _rows(answer, count):
    outputs = {output["name"]: np.reshape(output["data"], output["shape"]).tolist() for output in answer["outputs"]}
    assert answer["model_version"] == "1"
    assert [len(outputs[name]) for name in ("label", "class", "probabilities")] == [count] * 3
    return list(zip(outputs["label"], outputs["class"], outputs["probabilities"], strict=True))


def check(rows, expected, tolerance=1e-6):
    assert [label for label, _, _ in rows] == [("cats", "dogs")[number] for _, number, _ in rows]
    assert [number for _, number, _ in rows] == expected.argmax(axis=1).tolist()
    assert np.abs(np.array([probabilities for _, _, probabilities in rows]) - expected).max() < tolerance


def test_health_and_what_the_server_says_of_the_model(server):
    assert server.ask("/v2/health/live") == (200, {"live": True})
    assert server.ask("/v2/health/ready") == (200, {"ready": True})
    assert server.ask("/v1/models/pets") == (200, {"name": "pets", "ready": True})
    status, metadata = server.ask("/v2/models/pets")
    assert status == 200
    assert metadata["inputs"] == [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "class", "probabilities"]


def test_the_export_s_own_request_is_answered(server, chain):
    content = (chain / "export/serving/request.json").read_bytes()
    (instance,) = json.loads(content)["instances"]
    status, answer = server.ask("/v1/models/pets:predict", content)
    assert status == 200, answer
    (row,) = answer["predictions"]
    with SavedModelSession(chain / "export/serving/model/1") as session:
        image = np.array([base64.b64decode(instance[INPUT]["b64"])], object)
        outputs = session.run("serving_default", {INPUT: image})
    assert (row["label"], row["class"]) == (outputs["label"][0].decode(), outputs["class"][0])
    np.testing.assert_allclose(row["probabilities"], outputs["probabilities"][0], atol=1e-6)


def test_either_protocol_gives_what_evaluate_got(server, images, expected, tmp_path):
    check(by_v1(server, images), expected)
    check(by_v2(server, images), expected)
    check(by_grpc(server, images, tmp_path), expected)
    # One alone, outputs that are asked for by name, and an identifier that comes back.
    status, answer = server.ask("/v2/models/pets/infer", v2(images[0], id="42", outputs=[{"name": "class"}]))
    assert (status, answer["id"], [output["name"] for output in answer["outputs"]]) == (200, "42", ["class"])


def test_images_as_people_send_them(server, images, chain, tmp_path):
    made = odd_images(images)
    array = np.empty(len(made), object)
    array[:] = made
    with SavedModelSession(chain / "export/serving/model/1") as session:
        expected = session.run("serving_default", {INPUT: array})["probabilities"]
    check(by_v1(server, made), expected)
    check(by_v2(server, made), expected)
    check(by_grpc(server, made, tmp_path), expected)


@pytest.mark.parametrize("number", range(4), ids=["cut off", "text", "empty", "huge"])
def test_a_bad_image_is_the_client_s_fault_and_the_next_request_is_answered(server, images, expected, tmp_path, number):
    content, reason = bad_images(images[0])[number]
    for path, body in (("/v1/models/pets:predict", v1), ("/v2/models/pets/infer", v2)):
        for sent in ([content], [images[1], content]):
            status, answer = server.ask(path, body(*sent))
            assert status == 400 and reason in answer["error"], answer
            assert "\n" not in answer["error"] and "{{" not in answer["error"]
    status, answer = ask_by_grpc(server, [content], tmp_path)
    assert status == "INVALID_ARGUMENT" and reason in answer
    check(by_v1(server, images[:1]), expected[:1])
    check(by_v2(server, images[:1]), expected[:1])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/pets:predict", b"{"),
        ("/v1/models/pets:predict", []),
        ("/v1/models/pets:predict", {"instances": {}}),
        ("/v1/models/pets:predict", {"instances": []}),
        ("/v1/models/pets:predict", {"instances": ["x"]}),
        ("/v1/models/pets:predict", {"instances": [{INPUT: "x"}]}),
        ("/v1/models/pets:predict", {"instances": [{INPUT: {"b64": 1}}]}),
        ("/v1/models/pets:predict", {"instances": [{INPUT: {"b64": "é"}}]}),
        ("/v2/models/pets/infer", {"inputs": []}),
        ("/v2/models/pets/infer", v2()),
        ("/v2/models/pets/infer", {"inputs": v2(b"x")["inputs"] * 2}),
        ("/v2/models/pets/infer", {"inputs": [{**v2(b"x")["inputs"][0], "parameters": {}}]}),
        ("/v2/models/pets/infer", {"inputs": [{**v2(b"x")["inputs"][0], "shape": [2]}]}),
        ("/v2/models/pets/infer", {"inputs": [{**v2(b"x")["inputs"][0], "shape": [1, 1]}]}),
        ("/v2/models/pets/infer", {"inputs": [{**v2(b"x")["inputs"][0], "datatype": "FP32"}]}),
        ("/v2/models/pets/infer", {"inputs": [{**v2(b"x")["inputs"][0], "data": ["é"]}]}),
    ],
)
def test_a_malformed_request_is_the_client_s_fault(server, images, expected, path, body):
    status, answer = server.ask(path, body)
    assert status == 400, answer
    assert answer["error"]
    check(by_v1(server, images[:1]), expected[:1])


def test_concurrent_requests_get_their_own_answers(server, images, expected):
    bad = {5, 11}
    with ThreadPoolExecutor(8) as pool:
        sent = [v1(b"no image" if number in bad else image) for number, image in enumerate(images)]
        answers = list(pool.map(lambda body: server.ask("/v1/models/pets:predict", body), sent))
    assert [number for number, (status, _) in enumerate(answers) if status != 200] == sorted(bad)
    for number, (status, answer) in enumerate(answers):
        if status == 200:
            np.testing.assert_allclose(answer["predictions"][0]["probabilities"], expected[number], atol=1e-6)


def test_a_version_that_can_t_be_loaded_leaves_the_one_before_in_service(server, base_path, images, expected):
    broken = base_path / "2"
    shutil.copytree(base_path / "1", broken)
    model = broken / "saved_model.pb"
    model.write_bytes(model.read_bytes()[:-1000])
    try:
        status, answer = server.ask("/v2/repository/models/pets/load", b"")
        assert status == 503 and "pets" in answer["error"], answer
        assert server.ask("/v2/models/pets/ready") == (200, {"name": "pets", "ready": True})
        check(by_v1(server, images), expected)
        check(by_v2(server, images[:1]), expected[:1])
    finally:
        shutil.rmtree(broken)


def test_a_version_that_can_be_loaded_takes_over(server, base_path, images, expected):
    shutil.copytree(base_path / "1", base_path / "10")
    try:
        assert server.ask("/v2/repository/models/pets/load", b"") == (200, {"name": "pets", "load": True})
        _, answer = server.ask("/v2/models/pets/infer", v2(images[0]))
        assert answer["model_version"] == "10"
        assert server.ask("/v2/repository/models/pets/unload", b"")[0] == 200
        assert server.ask("/v1/models/pets:predict", v1(images[0]))[0] == 404
    finally:
        shutil.rmtree(base_path / "10")
        assert server.ask("/v2/repository/models/pets/load", b"") == (200, {"name": "pets", "load": True})
    check(by_v2(server, images[:1]), expected[:1])
    assert server.ask("/v2/repository/models/others/load", b"")[0] == 503


def test_it_ends_when_told(base_path, tmp_path):
    with serving(base_path, tmp_path / "log") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=120) in (0, -signal.SIGTERM)


def test_an_export_is_validated_by_it(base_path, images, expected):
    samples = EvaluatedImages(images, expected)
    with tried_server(base_path, f"kserve:{PYTHON.parents[1]}", "") as server:
        served = ask(server, ["cats", "dogs"], samples, KERAS.limits)
    assert served.by == "kserve 0.21.0"
    assert served.parity.images == len(images) and served.parity.max_difference < 1e-6
    assert len(served.refused) == 4


def test_what_is_no_version_is_not_served(python, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1/saved_model.pb").write_bytes(b"\xff" * 100)
    for folder in (tmp_path, tmp_path / "1"):
        command = [python, "-I", SCRIPT, folder, "--name", "pets", "--port", str(free_port())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
    assert "holds no version" in done.stderr
