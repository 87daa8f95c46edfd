"""The pages that lead to a cluster are run from top to bottom; what README says is parsed by the command line itself.

`graft` is the real one, and talks to the servers here. Each of its commands is started as a user starts it once; after that it is forked
from a process that has imported it. gcloud, kubectl, pip and the builds of images can't be had: stand-ins write down what they are asked.
"""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest
from fake_kubeflow import FakeKubeflow
from fake_vertex import FakeVertex
from graft_forks import write_command
from profiles import IMAGES
from run_records import ENDINGS, leave_records
from support import ROOT

from graft.components.common.runs.run import Run
from graft.pipelines.cli.app import app

pytestmark = pytest.mark.slow

GRAFT = Path(sys.executable).with_name("graft")
STAND_IN = """#!/bin/bash
printf '%s\\n' "$(basename "$0") $*" >> "$ASKED"
case "$(basename "$0") $*" in
    "gcloud config get-value account") echo me@example.com ;;
    "gcloud projects describe "*) echo 123456 ;;
    "make push "*) cp "$IMAGES" images.json ;;
esac
"""


def blocks(page):
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """Socket at which a `graft` is forked."""
    path = tmp_path_factory.mktemp("forks") / "asked"
    command = [sys.executable, Path(__file__).with_name("graft_forks.py"), path]
    environment = os.environ | {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}  # gcsfs reads it when it is imported
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield path
        process.stdin.close()


@pytest.fixture
def page(tmp_path, bucket, forks):
    """Runs a page's blocks, one after the other, in one shell that stops at the first failure."""
    stand_ins = tmp_path / ".venv" / "bin"
    stand_ins.mkdir(parents=True)
    for name in ("gcloud", "kubectl", "make", "python"):
        (stand_ins / name).write_text(STAND_IN)
        (stand_ins / name).chmod(stat.S_IRWXU)
    write_command(stand_ins / "graft", forks, GRAFT)
    (tmp_path / "images-made.json").write_text(json.dumps(IMAGES))
    (tmp_path / "webhook.txt").write_text("https://hooks.example/x\n")
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "cats" / "a.jpg").write_bytes(b"cat")
    fs = fsspec.filesystem("gs")
    if not fs.exists("my-project-graft"):
        fs.mkdir("my-project-graft")

    def run(text, **environment):
        asked = tmp_path / "asked.txt"
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path,
            env={
                **os.environ,
                **environment,
                "PATH": f"{stand_ins}:{os.environ['PATH']}",
                "ASKED": str(asked),
                "DOCKER_HOST": f"unix://{tmp_path}/no.sock",
                "IMAGES": str(tmp_path / "images-made.json"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result, asked.read_text()

    return run


def leaves_records(server, identify):
    def on_create(run):
        leave_records(Run("gs://my-project-graft/store", "cats-and-dogs", identify(run)), **ENDINGS["success"])

    server.on_create = on_create
    server.script(("RUNNING", {"resolve": "RUNNING"}), ("SUCCEEDED", {"resolve": "SUCCEEDED"}))


def check_stand_ins(asked):
    """No word is empty for want of a variable, and what make is asked for, the Makefile has."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in asked.splitlines():
        assert not re.search(r"(:|=|/| )(?=$)|\$|serviceAccount:@|//graft", line.replace("://", "")), line
        if line.startswith("make "):
            assert line.split()[1] in targets


def test_gke_from_top_to_bottom(page):
    with FakeKubeflow() as server:
        leaves_records(server, lambda run: run["run_id"])
        result, asked = page("\n".join(blocks("gke.md")), KF_PIPELINES_ENDPOINT=server.url)
        check_stand_ins(asked)
        assert "succeeded: export" in result.stdout
        assert result.stdout.count("fires next:") == 2
        assert len(server.runs) == 3 and server.schedules == {}
        assert {run["service_account"] for run in server.runs.values()} == {"pipeline-runner"}
        (source,) = {
            run["runtime_config"]["parameters"]["source"] for run in server.runs.values() if "uploads" in str(run)
        }
        assert source.startswith("gs://my-project-graft/store/uploads/")
    assert "kubectl create secret generic graft-webhook" in asked


def test_vertex_from_top_to_bottom(page):
    with FakeVertex(token="T") as server:
        leaves_records(server, lambda run: run["name"].rpartition("/")[2])
        text = "\n".join(blocks("vertex.md"))
        assert "  location: $REGION\n" in text
        text = text.replace("  location: $REGION\n", f"  location: $REGION\n  endpoint: {server.url}\n")
        result, asked = page(text, GRAFT_TOKEN="T")
        check_stand_ins(asked)
        assert "succeeded: export" in result.stdout
        assert len(server.runs) == 3 and server.schedules == {}
        (account,) = {run["serviceAccount"] for run in server.runs.values()}
        assert account == "graft@my-project.iam.gserviceaccount.com"


def commands(path):
    """Yields the graft and make commands of a page, its continued lines joined."""
    text = path.read_text().replace("\\\n", " ")
    for line in re.findall(r"^(?:    )?((?:\.venv/bin/)?graft (?!\d).*|make .*)$", text, re.MULTILINE):
        words = shlex.split(line, comments=True)
        yield words
    for words in re.findall(r"`(make [^`]+)`", text):
        yield shlex.split(words)
    for words in re.findall(r"`(graft [a-z-]+(?: [a-z-]+)?)", text):
        yield ["graft", "--help", *words.split()[1:2]]


PAGES = ["README.md", "images/README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_one(name, tmp_path, monkeypatch):
    for recipe in ("mine.yaml", "tuned.yaml"):
        (tmp_path / recipe).write_text("epochs: 3\n")
    monkeypatch.chdir(tmp_path)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = list(commands(ROOT / name))
    for words in found:
        if words[0] == "make":
            assert words[1] in targets, words
        elif "STEP" not in words:
            words = words[1 : words.index(">")] if ">" in words else words[1:]
            app.parse_args(words, exit_on_error=False, print_error=False)
    assert found or name not in ("README.md", "docs/tour.md", "docs/gke.md", "docs/vertex.md", "images/README.md")
