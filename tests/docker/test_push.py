"""Pushing to a real registry, Debian's docker-registry on localhost."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from docker_tools import docker
from support import ROOT, skip

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.images import pinned_images

pytestmark = pytest.mark.docker


@pytest.fixture
def registry(image, tmp_path):
    program = shutil.which("docker-registry")
    if not program:
        skip("registry", "docker-registry is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}
    config.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}}))
    with (tmp_path / "registry.log").open("w") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{address}/v2/", timeout=1).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def small(image, tmp_path):
    """A small image, since what is pushed plays no part."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text('FROM scratch\nCOPY hello /hello\nCMD ["/hello"]\n')
    (tmp_path / "context" / "hello").write_text(f"made by {os.getpid()}")
    docker("build", "--quiet", "--tag", "graft-test:cpu", tmp_path / "context")
    yield "graft-test:cpu"
    docker("rmi", "--force", "graft-test:cpu")


def push(registry, output, *images):
    environment = {**os.environ, "IMAGES_JSON": str(output)}
    command = ["images/push.sh", registry, *images]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_digests_are_written_and_can_be_pulled(registry, small, tmp_path):
    output = tmp_path / "images.json"
    pushed = push(registry, output, small)
    assert pushed.returncode == 0, pushed.stderr
    reference = json.loads(output.read_text())["cpu"]
    assert reference.startswith(f"{registry}/graft-test@sha256:")
    docker("rmi", "--force", small, f"{registry}/graft-test:0.2.0-cpu")
    docker("pull", reference)
    docker("rmi", "--force", reference)


def test_a_tag_is_resolved_to_its_digest_when_compiling(registry, small, tmp_path):
    output = tmp_path / "images.json"
    assert push(registry, output, small).returncode == 0
    reference = json.loads(output.read_text())["cpu"]
    tagged = Profile(images=Images(cpu=f"{registry}/graft-test:0.2.0-cpu"))
    assert pinned_images(tagged, None, allow_tag=False).cpu == reference
    with pytest.raises(GraftError, match=r"is a tag, which can be moved.*Its digest can't be had"):
        pinned_images(Profile(images=Images(cpu=f"{registry}/graft-test:other")), None, allow_tag=False)
    docker("rmi", "--force", f"{registry}/graft-test:0.2.0-cpu")


def test_a_registry_that_does_not_answer_leaves_no_file(small, tmp_path):
    output = tmp_path / "images.json"
    pushed = push("127.0.0.1:9", output, small)
    assert pushed.returncode != 0
    assert not output.exists()
    docker("rmi", "--force", "127.0.0.1:9/graft-test:0.2.0-cpu")
