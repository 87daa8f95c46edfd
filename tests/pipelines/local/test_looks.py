"""What `graft doctor` looks at here: each thing is OK, or comes with what to do, and what hangs or crashes is a line."""

import dataclasses
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from web import in_a_thread, web_server

from graft.components.common.compute.asked_tensorflow import ask_once, look_at_tensorflow
from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding, Look, look_at_all
from graft.components.common.messages import anonymous
from graft.components.common.storage import disk, look_at_disk
from graft.components.common.storage.web.clock import look_at_clock
from graft.components.resolve.preflight import look_at_store
from graft.components.train.backbones import weights
from graft.components.train.backbones.weights import look_at_weights
from graft.pipelines.local import docker_runner
from graft.pipelines.local.docker_runner import look_at_docker

SECRET = "S3CR3T-T0K3N"


def test_what_hangs_crashes_or_lacks_a_package_is_a_line_and_hides_no_other():
    def crash():
        raise RuntimeError("broken")

    def refuse():
        raise GraftError("It is wrong: mend it.")

    def lack():
        import graft_has_no_such_package  # noqa: F401

    hanging = threading.Event()
    looks = [
        Look("hangs", lambda: hanging.wait(60), "Wait.", needed=False, seconds=0.2),
        Look("crashes", crash),
        Look("refused", refuse, needed=False),
        Look("lacks", lack, "Install it."),
        Look("fine", lambda: Finding("fine", True, "here")),
    ]
    found = look_at_all(looks)
    hanging.set()
    assert found == [
        Finding("hangs", False, "no answer within 0.2 seconds", "Wait.", needed=False),
        Finding("crashes", False, "looking at it failed (RuntimeError: broken)", "Please report it."),
        Finding("refused", False, "It is wrong: mend it.", needed=False),
        Finding("lacks", False, "the package graft_has_no_such_package is not installed", "Install it."),
        Finding("fine", True, "here"),
    ]


def test_the_doctor_needs_none_of_the_packages_that_it_looks_for():
    code = "import sys; sys.modules |= dict.fromkeys(['tensorflow', 'keras', 'kfp', 'docker', 'cronsim']); "
    code += "import graft.pipelines.cli.doctor_command"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_looks_are_made_at_the_same_time():
    together = threading.Barrier(3, timeout=60)

    def wait():
        together.wait()
        return Finding("waits", True, "")

    assert all(finding.ok for finding in look_at_all([Look("waits", wait)] * 3))


@contextmanager
def server_of_time(late, status=200):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return (datetime.now(UTC) - late).strftime("%a, %d %b %Y %H:%M:%S GMT")

        def log_message(self, *arguments):
            pass

    with in_a_thread(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/any"


@pytest.mark.parametrize("status", [200, 404])
def test_a_clock_that_is_off_is_wrong_and_by_how_much(status):
    for seconds, ok, said in ((0, True, "agrees with"), (600, False, "ahead of"), (-600, False, "behind")):
        with server_of_time(timedelta(seconds=seconds), status) as url:
            found = look_at_clock(url)
        assert (found.ok, said in found.text, found.needed) == (ok, True, True), found
        assert ok or "NTP" in found.remedy
    unreachable = look_at_clock("http://127.0.0.1:9/")
    assert (unreachable.ok, unreachable.needed) == (False, False)


def test_a_date_of_no_calendar_leaves_the_clock_unchecked(monkeypatch):
    monkeypatch.setattr("graft.components.common.storage.web.clock._date", lambda url: "1 Jan 99999999999 00:00:00 GMT")
    assert "so the clock is unchecked" in look_at_clock("http://127.0.0.1/").text


def test_docker_absent_silent_or_without_the_image_is_only_a_note(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    absent = look_at_docker("graft:cpu")
    assert (absent.ok, absent.needed, "no Docker Engine answers" in absent.text) == (False, False, True)

    def engine(method, path, body):
        if path.endswith("/version"):
            return 200, {"Version": "28.0", "ApiVersion": "1.44"}
        return (200, {"Id": "sha256:1"}) if "/images/here" in path else (404, {"message": "No such image"})

    with web_server(engine) as web:
        monkeypatch.setenv("DOCKER_HOST", web.url.replace("http", "tcp"))
        assert look_at_docker("here:1") == Finding("Docker", True, "Engine 28.0, with the image here:1", needed=False)
        lacking = look_at_docker("graft:cpu")
    assert (lacking.ok, lacking.needed, lacking.text) == (False, False, "Engine 28.0, without the image graft:cpu")
    assert "make images" in lacking.remedy

    released = threading.Event()
    with web_server(lambda *_: (released.wait(60), (200, {}))[1]) as web:
        monkeypatch.setenv("DOCKER_HOST", web.url.replace("http", "tcp"))
        monkeypatch.setattr(docker_runner, "_SECONDS", 0.2)
        try:
            assert "no Docker Engine answers" in look_at_docker("graft:cpu").text
        finally:
            released.set()


def test_a_store_is_tried_and_left_as_it_was(tmp_path):
    assert look_at_store(str(tmp_path / "runs" / "store")).ok
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for store in (str(tmp_path / "file" / "store"), "/proc/store"):
        with pytest.raises(GraftError, match=store):
            look_at_store(store)


def test_a_full_disk_is_wrong(tmp_path, monkeypatch):
    assert look_at_disk([tmp_path / "not" / "there"]).ok
    monkeypatch.setattr(disk, "_LEAST_GIBIBYTES", 2**30)
    full = look_at_disk([tmp_path])
    assert (full.ok, full.needed, "Free at least" in full.remedy) == (False, True, True)


def test_weights_that_were_named_must_be_there_and_the_default_ones_need_not(tmp_path, monkeypatch):
    with pytest.raises(GraftError, match=r"nosuch\.h5 doesn't exist"):
        look_at_weights(str(tmp_path / "nosuch.h5"))
    assert look_at_weights("random").ok
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    elsewhere = dataclasses.replace(weights.DEFAULT, imagenet_url="http://127.0.0.1:9/notop.h5")
    monkeypatch.setattr(weights, "DEFAULT", elsewhere)
    lacking = look_at_weights("")
    assert (lacking.ok, lacking.needed, "copy notop.h5" in lacking.text) == (False, False, True)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "notop.h5").touch()
    assert look_at_weights("").ok


def test_a_tensorflow_that_is_broken_says_why(tmp_path, monkeypatch):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise ImportError('libsomething.so: not found')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = look_at_tensorflow(ask_once())
    assert (found.ok, found.needed, "ImportError: libsomething.so: not found" in found.text) == (False, True, True)
    assert "graft[cpu]" in found.remedy


def test_strangers_are_shown_no_home_user_mail_or_secret(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("LOGNAME", "ann")
    shown = {
        "/home/ann/runs": "~/runs",
        "/home/annette": "/home/annette",
        "/data/ann/store": "/data/USER/store",
        "an annual plan": "an annual plan",
        "graft@p.iam.gserviceaccount.com may not": "USER@p.iam.gserviceaccount.com may not",
        "registry.example/graft@sha256:0": "registry.example/graft@sha256:0",
        f"it refuses {SECRET}": "it refuses ***",
        f"https://ann:{SECRET}@h/x?sig={SECRET}": "https://h/x",
        "a\x1b[2J\nb": "a\\u001b[2J\\u000ab",
    }
    assert {text: anonymous(text, [SECRET, ""]) for text in shown} == shown
