"""Whatever a mirror does or doesn't answer, a run goes on within seconds, nothing is made twice, and the next call catches up."""

import contextlib
import socket
import threading
import time

import pytest
from web import web_server

from graft.components.common.artifacts.outcomes.last_step_results import MirrorResult
from graft.components.mirror import mirror as mirror_module
from graft.components.mirror import mlflow
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.mirror import mirror
from graft.components.mirror.other_registry import OtherRegistry

CREATED = "POST .*model-versions/create"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(mirror_module, "_PAUSE_SECONDS", 0.01)


def test_several_at_the_same_time_make_each_version_once(server, pets):
    published = [pets.publish(seed) for seed in range(3)]
    server.slow(CREATED, 0.2, times=8)  # so that all of them have looked before
    results = []
    runs = [threading.Thread(target=lambda: results.append(mirror(pets.registry, pets.config))) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [result.problem for result in results] == [""] * 4
    assert sorted(pets.held) == sorted(published) and pets.champion == published[-1]
    assert server.times(CREATED) > 3


def test_no_lost_answer_makes_anything_twice(server, pets):
    published = [pets.publish(0)]
    pets.mirror()
    for after in (True, False):  # it has had its effect, or not
        for path in ("GET .*get", "GET .*search", CREATED, "POST .*alias", "POST .*set-tag"):
            server.drop(path, after=after)
        published.append(pets.publish(len(published)))
        # Three attempts are less than what is lost.
        assert mirror(pets.registry, pets.config).problem.startswith(f"MLflow at {server.url} can't be reached")
        pets.mirror()
        assert (pets.held, pets.champion) == (published, published[-1])
        assert not [fault for fault in server.faults if fault.times]


def test_a_version_that_was_made_twice_is_made_one(pets):
    """As when a request is carried out only after nobody waits for it any more."""
    version = pets.publish(1)
    pets.mirror()
    _, source, tags = pets.versions[0]
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    for _ in range(2):
        pets.ask("POST", "model-versions/create", source=source, tags=listed)
    pets.ask("POST", "registered-models/alias", alias="champion", version="3")
    pets.mirror()
    assert [number for number, _, _ in pets.versions] == [1] and pets.champion == version


def test_a_server_that_was_killed_is_caught_up(server, pets, caplog):
    published = [pets.publish(1), pets.publish(2)]
    pets.mirror()
    server.kill()
    try:
        published += [pets.publish(3), pets.publish(4)]
        pets.registry.rollback("blurred")
        result = mirror(pets.registry, pets.config)
        assert result.problem.startswith(f"MLflow at {server.url} ") and "next run catches up" in result.summary
        assert f"{pets.registry.name} is not mirrored: {result.problem}" in caplog.text
    finally:
        server.start()
    assert pets.held == published[:2] and pets.champion == published[1]
    assert pets.mirror().champion == pets.champion == published[2]
    assert sorted(pets.held) == sorted(published)
    assert sorted(pets.states) == ["latest", "promoted earlier", "promoted earlier", "withdrawn"]


def test_a_server_that_was_killed_in_between_is_caught_up(server, pets):
    published = [pets.publish(seed) for seed in range(3)]
    answer, created = server._answer, []

    def killed_after_one(method, target, headers, body):
        if target.endswith("model-versions/create"):
            created.append(target)
            if len(created) == 2:
                server.kill()
        return answer(method, target, headers, body)

    server._answer = killed_after_one
    try:
        assert mirror(pets.registry, pets.config).problem
    finally:
        del server._answer
        server.start()
    assert len(pets.held) < 3
    assert pets.mirror().champion == pets.champion == published[-1]
    assert sorted(pets.held) == sorted(published)


def silent(connection):
    time.sleep(30)


def dripping(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.05)


def endless(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" " * 2**20)


@pytest.fixture
def bare_server():
    """Answers each connection as a function says."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=respond, args=(connection,), daemon=True).start()

        def respond(connection):
            with contextlib.suppress(OSError):  # whoever asked has hung up
                connection.recv(65536)
                serve.answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        serve.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield serve
        listening.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@pytest.mark.parametrize("answer", [silent, dripping])
def test_a_server_that_is_too_slow_is_left_alone(bare_server, faked, monkeypatch, answer):
    faked.publish(1)
    bare_server.answer = answer
    monkeypatch.setattr(OtherRegistry, "SECONDS", 1.0)
    result = mirror(faked.registry, MirrorConfig(bare_server.url))
    assert result.problem == f"{bare_server.url} was not up to date within 1 s."


def test_an_answer_of_any_length_is_not_read(bare_server, faked, monkeypatch):
    faked.publish(1)
    bare_server.answer = endless
    monkeypatch.setattr(mlflow, "_MOST_BYTES", 2**20)
    result = mirror(faked.registry, MirrorConfig(bare_server.url))
    assert result.problem == f"{bare_server.url} answers with more than 1 MiB: correct the address."


def test_what_is_done_in_vain_for_one_request_is_tried_again(faked, fake):
    faked.publish(1)
    fake.fail("GET .*get", 503)
    fake.fail(CREATED, 429)
    faked.mirror()
    fake.fail("GET .*get", 503, times=10)
    assert "is not working (HTTP 503: it was told to fail)" in mirror(faked.registry, faked.config).problem
    assert fake.times("GET .*get") == 7 and len(faked.held) == 1


PROMPT = {"registered_model": {"tags": [{"key": "mlflow.prompt.is_prompt", "value": "True"}]}}
TOLD = {
    "does not answer as an MLflow tracking server: correct the address": (200, {}),
    "does not answer as an MLflow tracking server: correct": (200, "welcome"),
    "does not answer as an MLflow tracking server": (
        200,
        {"registered_model": {"aliases": [{"alias": "a", "version": "x"}]}},
    ),
    "(HTTP 404): no MLflow tracking server is at this address": (404, {}),
    "(HTTP 302): no MLflow tracking server is at this address": (302, {}),
    "(HTTP 401): set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and": (401, "You are not authenticated."),
    "(HTTP 403: Permission denied): give the account the permission MANAGE": (403, {"message": "Permission denied."}),
    "(HTTP 400: see https://host/): MLflow has to be 2.3": (
        400,
        {"error_code": "X", "message": "see https://me:pw@host/?k=v"},
    ),
    "is not working (HTTP 500)": (500, []),
    "has a prompt that is named pets: rename it": (200, PROMPT),
}


@pytest.mark.parametrize("told", TOLD)
def test_whatever_a_server_answers_is_told_in_a_sentence(faked, told):
    faked.publish(1)
    with web_server(lambda method, path, body: TOLD[told]) as web:
        result = mirror(faked.registry, MirrorConfig(web.url))
    assert told in result.problem and web.url in result.problem
    assert MirrorResult.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:99999", "http://" + "a" * 80 + ".invalid"])
def test_an_address_that_is_none_is_told_in_a_sentence(faked, address):
    faked.publish(1)
    assert f"MLflow at {address} can't be reached" in mirror(faked.registry, MirrorConfig(address)).problem


def test_a_registry_without_versions_is_told_in_a_sentence(faked):
    assert "has no versions to mirror: check the name and the store" in mirror(faked.registry, faked.config).problem
    assert faked.versions == []
