"""Secrets that are given where they may be, or where they may not, turn up in no output, record, file or list of processes."""

import os
import threading
import zipfile
from pathlib import Path

import pytest
from hostile_web import hostile_server, whole
from test_cli import graft

from graft.components.common.storage.troubles import retries

pytestmark = pytest.mark.slow

SECRET = "S3CRET"
NOBODY = "127.0.0.1:1"
WITH_USER, SIGNED = (
    f"https://ann:{SECRET}@{NOBODY}/a.zip",
    f"https://{NOBODY}/a.zip?X-Amz-Signature={SECRET}&b={SECRET}",
)
IN_CONFIG = '{{"train": {{"tensorboard": "{}"}}}}'
WRONG = '{{"train": {{"epochs": "{}"}}}}'

# {} stands for the secret.
PLACES = [
    *(("ingest", "--output", "o", "--source", "{}"), ("ingest", "--output", "o", "--source", "p", "--previous", "{}")),
    ("ingest", "--output", "o", "--source", "p", "--store", "{}"),
    ("ingest", "--output", "o", "--source", "p", "--limit", "{}"),
    *(("resolve", "--source", "{}"), ("resolve", "--source", "p", "--store", "{}")),
    *(("resolve", "--source", "p", "--weights", "{}"), ("resolve", "--source", "p", "--name", "{}", "--store", "s")),
    *(("resolve", "--source", "p", "--config", IN_CONFIG), ("resolve", "--source", "p", "--config", WRONG)),
    *(("resolve", "--source", "p", "--config", "{}"), ("resolve", "--source", "p", "--recipe", "{}")),
    ("train", "--dataset", "dataset", "--output", "o", "--weights", "{}"),
    ("train", "--dataset", "{}", "--output", "o", "--weights", "random"),
    ("evaluate", "--model", "m", "--dataset", "d", "--output", "o", "--baselines", "{}"),
    ("gate", "--evaluation", "e", "--output", "o", "--rules", "{}"),
    *(
        ("run", "--source", "{}"),
        ("run", "--source", "p", "--store", "{}"),
        ("run", "--source", "p", "--weights", "{}"),
    ),
    *(("run", "--source", "p", "--config", IN_CONFIG), ("run", "--source", "p", "--config", WRONG)),
    *(("run", "--source", "p", "--recipe", "{}"), ("run", "--sauce", "{}")),
    *(("predict", "m", "a.jpg", "--store", "{}"), ("predict", "m", "{}")),
    *(("serve", "m", "--store", "{}", "--port", "0"), ("serve", "{}", "--port", "0")),
    *(("registry", "list", "--store", "{}"), ("registry", "verify", "pets", "--store", "{}")),
    *(("history", "--store", "{}"), ("gc", "--store", "{}")),
    ("submit", "--target", "kubeflow", "--source", "gs://b/a.zip", "--store", "gs://b/s", "--endpoint", "{}"),
    ("submit", "--target", "kubeflow", "--source", "gs://b/a.zip", "--store", "gs://b/s", "--config", IN_CONFIG),
    ("submit", "--target", "kubeflow", "--source", "{}", "--store", "gs://b/s"),
]


@pytest.mark.parametrize("words", PLACES, ids=" ".join)
def test_secrets_in_options_are_shown_nowhere(tmp_path, monkeypatch, caplog, words):
    monkeypatch.setattr(retries, "PATIENCE", 0.1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "p" / "cats").mkdir(parents=True)
    (tmp_path / "p" / "cats" / "a.jpg").write_bytes(b"no picture")
    for secret in (WITH_USER, SIGNED):
        said = graft(
            *(word.replace("{}", secret).replace("{{", "{").replace("}}", "}") for word in words),
            "--debug",
            cwd=tmp_path,
        )
        assert said.returncode != 0
        assert SECRET not in said.stdout + said.stderr + caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_a_signed_url_in_a_file_stays_there(tmp_path, monkeypatch):
    """A whole run in processes of its own, whose steps know the URL by the file alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", b"no picture")
    signed = f"/a.zip?X-Amz-Signature={SECRET}"
    with hostile_server() as server:
        server.answers[signed] = whole((tmp_path / "a.zip").read_bytes(), ETag='"a"')
        monkeypatch.setenv("GRAFT_WEBHOOK", f"{server.url}/hook/{SECRET}\n")
        (tmp_path / "source.url").write_text(f"{server.url}{signed}\n")
        seen, over = set(), threading.Event()
        watching = threading.Thread(target=watch, args=(seen, over))
        watching.start()
        said = graft("run", "--source", "source.url", "--weights", "random", "--debug", cwd=tmp_path)
        over.set()
        watching.join()
        assert {signed, f"/hook/{SECRET}"} <= set(server.asked)
    assert "The source has no class folders" in said.stderr, said.stderr
    assert any("source.url" in line for line in seen) and not [line for line in seen if SECRET in line]
    assert SECRET not in said.stdout + said.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == ["source.url"]


def watch(seen, over):
    """Notes the command lines of all processes, as `ps` shows them."""
    while not over.wait(0.02):
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid():
                try:
                    seen.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue
