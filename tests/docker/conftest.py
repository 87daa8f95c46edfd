"""The images that the docker tests run, built once."""

import json
import os
import shutil
import subprocess
import zipfile

import pytest
from docker_tools import IMAGE, UNPRIVILEGED, Contained, docker, run
from support import ROOT, skip


@pytest.fixture(scope="session")
def image():
    """Builds graft:cpu from the working tree and returns its tag."""
    if not shutil.which("docker") or docker("version", check=False).returncode:
        skip("docker", "no Docker Engine answers")
    built = subprocess.run(["make", "images"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return IMAGE


@pytest.fixture(scope="session")
def contained(image, photographs, pretrained, tmp_path_factory):
    """A whole run by the docker runner on some photographs."""
    folder = tmp_path_factory.mktemp("contained")
    source = every_twentieth(photographs, folder / "photographs.zip")
    gate = {"min_accuracy": 0.5, "max_regression": None}
    config = {"train": {"cut": "mixed4", "image_size": 128}, "gate": gate}
    inputs = ["--source", source, "--weights", pretrained, "--config", json.dumps(config)]
    result = run(folder, *inputs)
    assert result.returncode == 0, result.stderr
    return Contained(folder, source, inputs, json.loads(result.stdout))


def every_twentieth(photographs, path):
    """Writes a zip of every twentieth of them: enough to tell two networks apart."""
    with zipfile.ZipFile(photographs) as whole, zipfile.ZipFile(path, "w") as part:
        for name in sorted(name for name in whole.namelist() if name.endswith(".jpg"))[::20]:
            part.writestr(name, whole.read(name))
    return path


@pytest.fixture
def work(tmp_path):
    """A folder of an unprivileged user's."""
    if os.getuid() == 0:
        os.chown(tmp_path, UNPRIVILEGED, UNPRIVILEGED)
    return tmp_path


@pytest.fixture
def step(image, work):
    """Runs a step in a locked-down container, as an unprivileged user, with the work folder as /data."""
    user = UNPRIVILEGED if os.getuid() == 0 else os.getuid()

    def run(*arguments, mounts=(), check=True):
        locked = [
            "--read-only",
            "--tmpfs",
            "/tmp",
            "--network",
            "none",
            "--cap-drop",
            "ALL",
            "--user",
            f"{user}:{user}",
        ]
        volumes = [f"--volume={work}:/data", *(f"--volume={path}:/in/{path.name}:ro" for path in mounts)]
        return docker("run", "--rm", *locked, *volumes, image, *arguments, check=check)

    return run
