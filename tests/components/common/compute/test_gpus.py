"""A GPU that is here: its libraries are opened, and what keeps TensorFlow from it is told."""

import ctypes
import os
import subprocess
from types import ModuleType, SimpleNamespace

import pytest

from graft.components.common.compute import asked_tensorflow, devices, gpus, tensorflow
from graft.components.common.compute.asked_tensorflow import Told
from graft.components.common.errors import GraftError

NO_CUSOLVER = "libcusolver.so.11: cannot open shared object file: No such file or directory"
NO_DRIVER = "libcuda.so.1: cannot open shared object file: No such file or directory"
TOO_OLD = "the driver is too old: it has CUDA 11.4, and TensorFlow needs 12.0 or later"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Makes a machine with a GPU or none, and with a driver that has some CUDA or none."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("GRAFT_EXPECTS_GPU", raising=False)
    monkeypatch.setattr(gpus, "_DEV", tmp_path)

    def make(gpu, cuda=None):
        (tmp_path / "nvidiactl").touch()  # this one is no GPU, and neither is what Windows gives Linux for any GPU
        (tmp_path / "dxg").touch()
        if gpu:
            (tmp_path / "nvidia0").touch()

        def get_version(place):
            ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = cuda
            return 0

        monkeypatch.setattr(gpus, "_driver", lambda: SimpleNamespace(cuDriverGetVersion=get_version) if cuda else None)

    make(gpu=False)
    return make


def told(cuda="12.5.1", seen=(), missing=(), error=""):
    return Told("2.21.0", cuda, list(seen), list(missing), error)


@pytest.mark.parametrize(
    ("gpu", "cuda", "answer", "ok", "said"),
    [
        (False, None, told(), False, "no NVIDIA GPU is visible"),
        (True, None, told(cuda=""), False, "this TensorFlow is the CPU's"),
        (True, None, told(missing=[NO_DRIVER]), False, f"TensorFlow can't open {NO_DRIVER}"),
        (True, 12080, told(missing=[NO_CUSOLVER, NO_DRIVER]), False, f"{NO_CUSOLVER}, and {NO_DRIVER}"),
        (False, 11040, told(seen=["Tesla T4"]), False, TOO_OLD),
        (True, 13000, told(error="CUDA_ERROR_NO_DEVICE"), False, "the driver can't be started: CUDA_ERROR_NO_DEVICE"),
        (True, 12000, told(), False, "TensorFlow sees no GPU"),
        (True, 12000, told(seen=["NVIDIA H100", "NVIDIA H100"]), True, "NVIDIA H100, NVIDIA H100"),
    ],
)
def test_doctor_names_a_gpu_or_says_why_there_is_none(machine, gpu, cuda, answer, ok, said):
    machine(gpu, cuda)
    found = gpus.look_at_gpu(lambda: answer)
    assert (found.ok, found.needed, said in found.text, bool(found.remedy)) == (ok, False, True, not ok), found


@pytest.mark.parametrize(("missing", "remedy"), [(NO_CUSOLVER, "make run GPU=1"), (NO_DRIVER, "--gpus all")])
def test_the_remedy_is_of_who_brings_the_library(machine, missing, remedy):
    machine(True)
    assert remedy in gpus.look_at_gpu(lambda: told(missing=[missing])).remedy


@pytest.mark.parametrize("shown", ["GPU-8932f937", "MIG-4ca9", "7"])
def test_a_gpu_that_is_chosen_and_can_t_be_started_is_named_as_it_was_chosen(machine, monkeypatch, shown):
    machine(True, 12080)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    remedy = gpus.look_at_gpu(lambda: told(error="CUDA_ERROR_NO_DEVICE")).remedy
    assert remedy == f"Check it by nvidia-smi, and CUDA_VISIBLE_DEVICES, which is '{shown}'."


def test_a_driver_without_a_device_is_no_gpu(machine):
    machine(False, 12080)
    assert gpus.look_at_gpu(lambda: told(cuda="")).text == "there is an NVIDIA driver, but this TensorFlow is the CPU's"


def test_a_library_that_is_no_driver_tells_no_version(machine, monkeypatch):
    machine(True)
    monkeypatch.setattr(gpus, "_driver", SimpleNamespace)
    assert gpus.look_at_gpu(lambda: told(seen=["Tesla T4"])).ok


def stand_in(seen=(), cuda="12.5.1"):
    """Returns as much of TensorFlow as is asked."""
    module = ModuleType("tensorflow")
    module.__version__ = "2.21.0"
    module.sysconfig = SimpleNamespace(get_build_info=lambda: {"cuda_version": cuda} if cuda else {})
    module.config = SimpleNamespace(list_physical_devices=lambda kind: list(seen))
    return module


@pytest.fixture
def imported(monkeypatch):
    """Imports a stand-in for TensorFlow, which in a process of its own says something else."""

    def load(module, answer=None):
        monkeypatch.setattr(tensorflow, "load_tensorflow", lambda: module)
        monkeypatch.setattr(gpus, "ask_tensorflow", lambda: answer)
        return tensorflow.import_tensorflow.__wrapped__()

    return load


def test_a_gpu_that_can_t_be_used_stops_a_step_where_one_is_expected_and_else_is_told_of(
    machine, imported, monkeypatch, caplog
):
    machine(True, 12080)
    imported(stand_in(), told(missing=[NO_CUSOLVER]))
    assert f"There is an NVIDIA GPU, but TensorFlow can't open {NO_CUSOLVER}. Install" in caplog.text
    monkeypatch.setenv("GRAFT_EXPECTS_GPU", "1")
    with pytest.raises(GraftError, match=r"can't open libcusolver\.so\.11"):
        imported(stand_in(), told(missing=[NO_CUSOLVER]))


def test_a_driver_that_is_too_old_stops_a_step_although_tensorflow_sees_the_gpu(machine, imported):
    machine(True, 11040)
    with pytest.raises(GraftError, match=rf"{TOO_OLD}\. Update the driver"):
        imported(stand_in(seen=["GPU:0"]))


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles", " "])
def test_no_gpu_or_a_hidden_one_stops_no_step(machine, imported, monkeypatch, caplog, hidden):
    imported(stand_in())
    assert not caplog.text
    monkeypatch.setenv("GRAFT_EXPECTS_GPU", "1")
    imported(stand_in())
    assert "A GPU is expected, but there is none here" in caplog.text
    machine(True, 11040)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    imported(stand_in())


def test_a_gpu_that_is_required_and_not_seen_says_why(machine, monkeypatch):
    monkeypatch.setattr(devices, "import_tensorflow", lambda: stand_in(cuda=""))
    with pytest.raises(GraftError, match=r"A GPU is required \(require_gpu\)\. There is none here: give it one"):
        devices.find_devices(require_gpu=True)
    machine(True)
    with pytest.raises(
        GraftError, match=r"There is an NVIDIA GPU, but this TensorFlow is the CPU's\. Install the GPU's"
    ):
        devices.find_devices(require_gpu=True)


def test_tensorflow_is_asked_once_and_tells_what_it_can_t_open(monkeypatch):
    log = (
        f"I0000 dso_loader.cc:144] Could not load dynamic library 'libcusolver.so.11'; dlerror: {NO_CUSOLVER}; LD_LIBRARY_PATH: /x\n"
        "E0000 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no device\n"
    )
    asked = []

    def run(command, *, env, **options):
        asked.append(command)
        assert env["TF_CPP_VMODULE"] == "dso_loader=1"
        return subprocess.CompletedProcess(command, 0, b'["2.21.0", "12.5.1"]\n[]\n', log.encode())

    monkeypatch.setattr(subprocess, "run", run)
    answer = asked_tensorflow.ask_once()
    assert asked_tensorflow.look_at_tensorflow(answer).text == "2.21.0"
    assert answer() == told(missing=[NO_CUSOLVER], error="CUDA_ERROR_NO_DEVICE: no device")
    assert len(asked) == 1


def test_files_of_this_folder_are_no_modules(monkeypatch, tmp_path):
    (tmp_path / "random.py").write_text("raise SystemExit('this is not random')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asked_tensorflow, "_QUESTION", """import random; print('["2.21.0", ""]'); print('[]')""")
    assert asked_tensorflow.ask_tensorflow().version == "2.21.0"


@pytest.mark.parametrize(("after", "error"), [("os.abort()", "exit code -6"), ("raise SystemExit('odd')", "odd")])
def test_a_driver_that_crashes_is_told_apart_from_tensorflow(monkeypatch, after, error):
    told_first = """print('["2.21.0", "12.5.1"]', flush=True)"""
    monkeypatch.setattr(asked_tensorflow, "_QUESTION", f"import os; {told_first}; {after}")
    assert asked_tensorflow.ask_tensorflow() == told(error=error)
    monkeypatch.setattr(asked_tensorflow, "_QUESTION", f"import os; {after}")
    with pytest.raises(GraftError, match=rf"TensorFlow can't be imported \({error}\)"):
        asked_tensorflow.ask_tensorflow()


def test_a_driver_that_hangs_is_told_apart_from_tensorflow(machine, monkeypatch):
    answer = b'["2.21.0", "12.5.1"]\n'

    def hang(command, *, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout, answer)

    machine(True)
    monkeypatch.setattr(subprocess, "run", hang)
    assert (
        "the driver can't be started: no answer within 60 s" in gpus.look_at_gpu(asked_tensorflow.ask_tensorflow).text
    )
    answer = None
    with pytest.raises(GraftError, match="TensorFlow took more than 60 s to import"):
        asked_tensorflow.ask_tensorflow()


@pytest.mark.parametrize("gpu", [True, False])
def test_wheels_libraries_are_opened_where_there_is_a_gpu(machine, tmp_path, monkeypatch, gpu):
    for wheel, library in (
        ("cusolver", "libcusolver.so.11"),
        ("cusolver", "libcusolverMg.so.11"),
        ("cudnn", "libcudnn.so.9"),
    ):
        folder = tmp_path / "nvidia" / wheel / "lib"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / library).touch()
    (tmp_path / "nvidia" / "README").touch()
    places = [str(tmp_path / "gone"), str(tmp_path / "nvidia" / "README"), str(tmp_path / "nvidia")]
    monkeypatch.setattr(
        gpus.importlib.util, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=places)
    )
    opened = []

    def open_library(path, mode):
        opened.append(os.path.basename(path))  # noqa: PTH119
        raise OSError(path)

    monkeypatch.setattr(ctypes, "CDLL", open_library)
    machine(gpu)
    gpus.open_libraries()
    assert sorted(opened) == (["libcudnn.so.9", "libcusolver.so.11"] if gpu else [])
