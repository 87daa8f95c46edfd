"""The GPU image on a machine without a GPU, with a stand-in for NVIDIA's driver: what TensorFlow asks the driver for first.

It takes several GB and half an hour to build, so these tests are asked for: `make gpu-image-test`.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from docker_tools import docker
from support import REQUIRED, ROOT, skip

HERE = Path(__file__).parent
GKE, SYSTEM = "/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu"
CUDA, MANAGEMENT = "libcuda.so.1", "libnvidia-ml.so.1"
# TensorFlow's wheels bring no library for TensorRT and for GPUs of many machines, and Graft uses neither.
NOT_USED = {"libnvinfer.so", "libnvinfer_plugin.so", "libnvshmem_host.so.3"}
SETTINGS = ["--weights", "random", "--cut", "mixed0", "--image-size", "75", "--epochs", "1", "--batch-size", "16"]
SEEN = """
from graft.components.common.compute.tensorflow import import_tensorflow
print(*import_tensorflow().config.list_physical_devices("GPU"))
"""

pytestmark = [pytest.mark.docker, pytest.mark.gpu_image, pytest.mark.slow]


@pytest.fixture(scope="module")
def image():
    """Builds graft:gpu from the working tree and returns its tag."""
    if "gpu-image" not in REQUIRED:
        skip("gpu-image", "graft:gpu is tried by make gpu-image-test")
    built = subprocess.run(["make", "image-gpu"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return "graft:gpu"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with the stand-in's libraries."""
    if not shutil.which("gcc"):
        skip("gpu-image", "there is no C compiler for the stand-in driver")
    folder = tmp_path_factory.mktemp("driver")
    for name, flags in ((CUDA, []), (MANAGEMENT, ["-DMANAGEMENT"])):
        command = ["gcc", "-shared", "-fPIC", *flags, f"-Wl,-soname,{name}", "-o", folder / name]
        subprocess.run([*command, HERE / "stand_in_driver.c"], check=True)
    folder.chmod(0o755)
    return folder


@pytest.fixture
def inside(image, driver, dataset, tmp_path):
    """Runs a shell's command in the image, as root, with the dataset as /data/dataset and the driver, or none, where it is mounted."""

    def run(command, place=GKE, libraries=(CUDA, MANAGEMENT), **environment):
        mounts = [f"--volume={driver / name}:{place}/{name}:ro" for name in libraries]
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        options = ["--network=none", "--user=0", f"--volume={dataset}:/data/dataset:ro", f"--volume={HERE}:/tests:ro"]
        return docker(
            "run", "--rm", "--entrypoint=sh", *options, *mounts, *variables, image, "-c", command, check=False
        )

    return run


@pytest.mark.parametrize("place", [GKE, SYSTEM])
@pytest.mark.parametrize("environment", [{}, {"LD_LIBRARY_PATH": "/elsewhere"}, {"LD_LIBRARY_PATH": GKE}])
def test_tensorflow_s_libraries_and_the_driver_are_found_by_name(inside, place, environment):
    found = inside("python3 /tests/opened_by_name.py", place, **environment)
    libraries = json.loads(found.stdout)
    assert {"libcusolver.so.11", "libcudnn.so.9", CUDA, MANAGEMENT} < set(libraries)
    assert {name for name, opened in libraries.items() if not opened} == NOT_USED


@pytest.mark.parametrize("place", [GKE, SYSTEM])
def test_tensorflow_sees_the_gpu(inside, place):
    seen = inside(f"python3 -c '{SEEN}'", place)
    assert "/physical_device:GPU:0" in seen.stdout, seen.stderr


@pytest.mark.parametrize(
    ("before", "libraries", "environment", "why"),
    [
        (
            "mv /opt/venv/lib/python3*/site-packages/nvidia/cusolver/lib/libcusolver.so.11 /tmp",
            (CUDA, MANAGEMENT),
            {},
            "TensorFlow can't open libcusolver.so.11: cannot open shared object file",
        ),
        ("true", (CUDA,), {}, "TensorFlow can't open libnvidia-ml.so.1: cannot open shared object file"),
        (
            "true",
            (CUDA, MANAGEMENT),
            {"STAND_IN_CUDA": "11040"},
            "it has CUDA 11.4, and TensorFlow needs 12.0 or later",
        ),
    ],
)
def test_a_gpu_that_can_t_be_used_stops_the_step_which_says_why_as_doctor_does(
    inside, before, libraries, environment, why
):
    step = f"graft train --dataset dataset --output /tmp/model {' '.join(SETTINGS)}"
    found = inside(f"{before}; graft doctor; echo; {step}; echo exit $?", GKE, libraries, **environment)
    doctor, _, end = found.stdout.partition("\n\n")
    assert "exit 1" in end
    assert why in found.stderr
    assert "There is an NVIDIA driver, but" in found.stderr
    assert why in re.sub(r"\s+", " ", doctor)


def test_without_a_gpu_it_runs_on_the_cpu_and_says_so(inside):
    step = f"graft train --dataset dataset --output /tmp/model {' '.join(SETTINGS)}"
    found = inside(step, libraries=())
    assert found.returncode == 0, found.stderr
    assert "A GPU is expected, but there is none here" in found.stderr
