"""What is in the image, and what must not be."""

import json
import subprocess
import sys

import pytest
from docker_tools import docker
from support import ROOT

pytestmark = pytest.mark.docker


def inside(image, *command, user=None):
    as_user = ["--user", user] if user else []
    return docker("run", "--rm", "--network", "none", *as_user, "--entrypoint", command[0], image, *command[1:]).stdout


@pytest.fixture(scope="module")
def report(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "image.json"
    before = written()
    subprocess.run([sys.executable, "images/report.py", image, path], cwd=ROOT, check=True, capture_output=True)
    assert written() == before, "it measures a change of code in a copy: others work on this code meanwhile"
    return json.loads(path.read_text())


def written():
    """Returns when each file of the code was written."""
    return {
        path: path.stat().st_mtime_ns
        for folder in ("components", "pipelines")
        for path in (ROOT / folder).rglob("*.py")
    }


def test_report_finds_a_small_image_that_is_nobody_s_and_holds_no_secret(report):
    assert report["size_bytes"] <= 2_100_000_000
    assert report["user"] not in ("", "root")
    assert report["world_writable"] == []
    assert report["secrets"] == []
    assert len(report["largest_layers"]) == 5
    assert report["help_seconds"] > 0
    assert report["rebuild_seconds"] > 0


def test_labels_and_entry_point(image):
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image).stdout)
    assert config["Entrypoint"] == ["graft"]
    assert config["User"] == "10001", "runAsNonRoot takes a number alone"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "0.2.0"


def test_debian_s_security_updates_are_among_its_sources(image):
    assert "-security" in inside(
        image, "sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; true"
    )


def test_no_compiler_and_no_pip_cache(image):
    find = "command -v gcc cc g++ make; find / -xdev -path '*/.cache/pip' 2>/dev/null; true"
    assert inside(image, "sh", "-c", find, user="0") == ""


def test_kfp_s_executor_runs_in_it_without_kfp_s_dependencies(image):
    # The variable by which kfp's own commands ask for the executor alone.
    code = """
import os
os.environ["_KFP_RUNTIME"] = "true"
import importlib.util, kfp.dsl.executor_main
print(importlib.util.find_spec("kfp_server_api"))
"""
    assert inside(image, "python3", "-c", code).strip() == "None"


def test_the_clients_of_kserve_and_vertex_are_in_it(image):
    code = """
from google.cloud import aiplatform_v1
from kubernetes import client
from graft.components.deploy.targets import kserve, vertex
print(client.CustomObjectsApi.__name__, aiplatform_v1.EndpointServiceClient.__name__)
"""
    assert inside(image, "python3", "-c", code).split() == ["CustomObjectsApi", "EndpointServiceClient"]


def test_it_has_one_tensorflow(image):
    code = """
from importlib.metadata import distributions
print(*sorted(found.name for found in distributions() if found.name.startswith("tensorflow")))
"""
    assert inside(image, "python3", "-c", code).split() == ["tensorflow_cpu"]


def test_a_container_s_limits_are_the_process_s(image):
    code = """
import os, pathlib
from graft.components.common.compute.machine import cores, memory_limit
from graft.components.common.compute.tensorflow import import_tensorflow
tensorflow = import_tensorflow()
tensorflow.matmul(tensorflow.ones((500, 500)), tensorflow.ones((500, 500)))
names = [thread.joinpath("comm").read_text().strip() for thread in pathlib.Path("/proc/self/task").iterdir()]
print(cores(), memory_limit(), names.count("tf_Compute"))
"""
    options = ("--network", "none", "--cpus", "1", "--memory", "1g", "--entrypoint", "python3")
    seen = docker("run", "--rm", *options, image, "-c", code).stdout.split()
    assert seen == ["1", str(2**30), "1"]


def test_running_the_pipeline_inside_says_what_is_missing(image):
    result = docker("run", "--rm", "--tmpfs", "/work", "-w", "/tmp", image, "run", "--source", "/opt/app", check=False)
    assert result.returncode == 1
    assert "graft[pipelines]" in result.stderr
    assert "Traceback" not in result.stderr


def test_sbom_lists_python_s_and_debian_s_packages(image, tmp_path):
    output = tmp_path / "sbom.json"
    subprocess.run([sys.executable, "images/sbom.py", image, output], cwd=ROOT, check=True)
    bom = json.loads(output.read_text())
    assert bom["bomFormat"] == "CycloneDX"
    names = {component["name"]: component for component in bom["components"]}
    assert names["keras"]["purl"] == "pkg:pypi/keras@3.15.1"
    assert {"tensorflow_cpu", "tensorflow-cpu"} & set(names)
    assert names["libc6"]["purl"].startswith("pkg:deb/debian/libc6@")


def test_a_site_s_certificates_are_kept_in_the_trust_store(image, tmp_path):
    """Builds the first stage of the Dockerfile with a certificate made here."""
    bundle = tmp_path / "site.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Site Test CA"),
            *("-keyout", tmp_path / "key.pem", "-out", bundle),
        ],
        check=True,
        capture_output=True,
    )
    # The same Dockerfile's first stage, on the base the image itself stands on.
    context = tmp_path / "context"
    (context / "ca").mkdir(parents=True)
    (context / "ca" / "site-1.crt").write_bytes(bundle.read_bytes())
    base = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    name = next(tag for tag in ("python:3.11-slim-bookworm", "graft-base:bookworm") if tag in base)
    file = ("--file", ROOT / "images/Dockerfile", "--target", "base")
    docker("build", "--quiet", *file, "--build-arg", f"BASE_IMAGE={name}", "--tag", "graft-test:ca", context)
    code = "import ssl; print([c['subject'] for c in ssl.create_default_context().get_ca_certs()])"
    try:
        assert "Site Test CA" in inside("graft-test:ca", "python3", "-c", code)
    finally:
        docker("rmi", "--force", "graft-test:ca")
