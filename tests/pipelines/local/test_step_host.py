"""The step host: a step that is forked is, to whoever started it, like a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graft.pipelines.local.step_host.launch import step_host

pytestmark = pytest.mark.slow

# What stands for kfp's executor. Its last argument is Python.
MODULE = """
import os, random, signal, sys, time

def sleep():  # A signal that comes just before Python sleeps is seen after it.
    for _ in range(1200):
        time.sleep(0.05)

exec(sys.argv[-1])
"""
# What stands for `graft run`: a run of one step, which says when it has begun.
RUN = """
import subprocess, sys
from graft.pipelines.local.step_host.launch import step_host
with step_host() as host, host.forks_steps():
    subprocess.run(["sh", "-ec", sys.executable + ' -m stepping --function_to_execute ingest "$0"', sys.argv[1]], check=True)
"""


@pytest.fixture(scope="module", autouse=True)
def stepping(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "stepping.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def host():
    python = sys.executable
    with step_host() as started, started.forks_steps(), pytest.MonkeyPatch.context() as patch:
        command = sys.executable
        patch.setattr("sys.executable", python)
        yield command
    assert sys.executable == python


def start(host, code, step="ingest", **options):
    command = f'exec {host} -m stepping --function_to_execute {step} "$0"'
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(["sh", "-ec", command, code], **streams, **options)


def run(host, code, step="ingest", **options):
    process = start(host, code, step, **options)
    return process.communicate(timeout=60)[0], process.returncode


def wait_for(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(group):
    """Whether no process of a group runs any more. One that has ended may have to wait long until the machine's first process reaps it."""
    return group not in {int(fields[2]) for fields in running()}


def has_ended(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def running():
    """Yields state, parent, process group and so on of each process that has not ended."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] not in "ZX":
                yield fields


def test_a_step_has_the_folder_the_environment_and_the_streams_of_whoever_starts_it(host, tmp_path):
    code = (
        "print(os.getcwd(), os.environ['COLOUR'], sys.argv[1:3], sys.executable, __name__, sys.stdin.read(),"
        " file=sys.stderr)"
    )
    said, status = run(host, code, cwd=tmp_path, env=os.environ | {"COLOUR": "blå"}, stdin=subprocess.DEVNULL)
    expected = f"{tmp_path} blå ['--function_to_execute', 'ingest'] {sys.executable} __main__ \n"
    assert (said, status) == (expected, 0)


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit('no weights')", 1, "no weights\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import atexit; atexit.register(print, 'tidied')", 0, "tidied\n"),
    ],
)
def test_whoever_starts_a_step_sees_how_it_ends(host, code, status, said):
    output, returned = run(host, code)
    assert returned == status
    assert output.endswith(said)
    assert ("Traceback" in output) == ("1 / 0" in code)


def test_files_of_the_folder_it_is_started_in_are_no_modules(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('this is not random')")
    monkeypatch.chdir(tmp_path)
    with step_host() as other, other.forks_steps():
        pass


def test_steps_draw_other_random_numbers(host):
    code = "import numpy; print(random.random(), numpy.random.rand())"
    drawn = [run(host, code)[0].split() for _ in range(2)]
    assert set(drawn[0]).isdisjoint(drawn[1])


def test_a_step_has_its_own_temporary_folder(host, tmp_path):
    code = "import tempfile; print(tempfile.gettempdir())"
    assert run(host, code, env=dict(os.environ, TMPDIR=str(tmp_path))) == (f"{tmp_path}\n", 0)


def test_steps_run_side_by_side_and_know_nothing_of_one_another(host, tmp_path):
    here, there = (
        f"open('{a}', 'w'); exec('while not os.path.exists(\"{b}\"): time.sleep(0.01)')" for a, b in ("ab", "ba")
    )
    first, second = start(host, here, cwd=tmp_path), start(host, there, "resolve", cwd=tmp_path)
    assert (first.wait(30), second.wait(30)) == (0, 0)
    first.stdout.close()
    second.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_step(host, number):
    code = f"signal.signal({number}, lambda *_: sys.exit(9)); print('begun', flush=True); sleep()"
    process = start(host, code)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == 9


def test_a_step_ends_with_its_stand_in(host):
    process = start(host, "print(os.getpid(), flush=True); time.sleep(60)")
    step = int(process.stdout.readline())
    process.kill()
    wait_for(lambda: has_ended(step))
    process.communicate()
    assert run(host, "print('next')") == ("next\n", 0)


def test_tensorflow_is_imported_and_has_not_begun_to_compute(host):
    # These can be set until TensorFlow has made its devices and threads, which don't outlive a fork.
    code = (
        "loaded = 'tensorflow' in sys.modules; import tensorflow as tf;"
        "tf.config.threading.set_inter_op_parallelism_threads(2); tf.config.threading.set_intra_op_parallelism_threads(2);"
        "print(loaded, float(tf.reduce_sum(tf.ones([500, 500]) @ tf.ones([500, 500]))))"
    )
    said, status = run(host, code, "train")
    assert (said.splitlines()[-1], status) == ("True 125000000.0", 0)
    assert run(host, "print('tensorflow' in sys.modules)") == ("False\n", 0)


@pytest.fixture
def started(tmp_path):
    """A run that is a process group of its own, in the middle of its step, whose shell gives no signal on."""
    # A folder, since an interrupt that comes while Python closes a file is lost.
    code = 'exec(\'try: os.mkdir("begun"); sleep()\\nfinally: open("ended", "w")\')'
    handler = "signal.signal(signal.SIGTERM, signal.default_int_handler);"
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp" / ("long" * 20 + "\n ü'")), "PYTHONIOENCODING": "ascii"}
    Path(environment["TMPDIR"]).mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, handler + code],
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((tmp_path / "begun").exists)
    yield process
    process.stderr.close()
    assert not list(Path(environment["TMPDIR"]).iterdir())


def test_ctrl_c_ends_the_step_and_the_host(started, tmp_path):
    os.killpg(started.pid, signal.SIGINT)
    assert started.wait(30) == -signal.SIGINT
    wait_for(lambda: gone(started.pid))
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_step_has_the_time_to_tidy_up_where_all_processes_of_a_run_are_told_to_end(tmp_path, number):
    # As a closed terminal, `timeout` and systemd do.
    handle = "[signal.signal(n, {}) for n in (signal.SIGTERM, signal.SIGHUP)]"
    tidy = f"({handle.format('signal.SIG_IGN')}, time.sleep(1), open('ended', 'w'), os._exit(0))"
    code = f"{handle.format(f'lambda *_: {tidy}')}; open('begun', 'w'); sleep()"
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    Path(environment["TMPDIR"]).mkdir()
    run = subprocess.Popen([sys.executable, "-c", RUN, code], cwd=tmp_path, env=environment, start_new_session=True)
    wait_for((tmp_path / "begun").exists)
    os.killpg(run.pid, number)
    run.wait(30)
    wait_for(lambda: gone(run.pid))
    assert (tmp_path / "ended").exists()
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_step_and_the_host_end_with_a_run_that_is_killed(started, tmp_path, number):
    started.send_signal(number)
    assert started.wait(30) == -number
    wait_for(lambda: gone(started.pid))
    assert (tmp_path / "ended").exists()


def test_a_step_says_that_the_host_was_killed_and_the_next_starts_by_itself():
    with step_host() as started, started.forks_steps():
        command = sys.executable
        process = start(command, "print(os.getpid(), os.getppid(), flush=True); time.sleep(60)")
        step, host = map(int, process.stdout.readline().split())
        os.kill(host, signal.SIGKILL)
        said, _ = process.communicate(timeout=30)
        assert (said, process.returncode) == (
            "ERROR the process that steps are forked from was killed, and with it this step.\n",
            1,
        )
        wait_for(lambda: has_ended(step))
        said, status = run(command, "print(os.environ['HOME'], sys.argv[1])")
        assert status == 0
        assert "is gone" in said.splitlines()[0]
        assert said.splitlines()[1] == f"{os.environ['HOME']} --function_to_execute"
