import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from graft.components.common import ending
from graft.components.common.storage.troubles.retries import persist

pytestmark = pytest.mark.slow

# Kubernetes kills after 30 s, Docker after 10.
MOST_SECONDS = 10
MOMENTS = Path(__file__).parents[2] / "moments.py"

# A component's process, as KFP runs it, around the work of a test.
COMPONENT = """
import ctypes, time
from pathlib import Path
from graft.components.common import storage
from graft.components.common.runs.step_record import component_step

class Late:
    def __del__(self):
        time.sleep(60)  # what is raised here is ignored

def in_c_code():
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # it waits for itself, and no signal interrupts that
        ctypes.CDLL(None).pthread_mutex_lock(mutex)

def in_a_destructor():
    Late()
    time.sleep(60)

with component_step("train", "store", "pets", "run-1"), storage.scratch_folder("test"):
    Path("ready").touch()
    {work}
"""


@contextlib.contextmanager
def silent_server():
    """Runs a server that takes connections and never answers; yields its address and the connections."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connections.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.close()


def started(command, folder, **options):
    (folder / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "temporary"), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, **options)


def check_cancelled(folder, step):
    (record,) = folder.glob(f"store/models/*/runs/*/{step}.json")
    written = json.loads(record.read_text())
    assert (written["status"], written["summary"]) == ("cancelled", "it was told to end before it was done")
    assert not list((folder / "temporary").iterdir())


def test_threads_that_wait_for_a_slow_server_keep_no_process_alive(tmp_path):
    with silent_server() as (address, connections):
        rows = [f"{address}/{number}.jpg,{'cats' if number % 2 else 'dogs'}\n" for number in range(40)]
        (tmp_path / "list.csv").write_text("uri,label\n" + "".join(rows))
        ingest = [Path(sys.executable).with_name("graft"), "ingest", "--source", "list.csv", "--output", "dataset"]
        process = started([*ingest, "--store", "store"], tmp_path)
        wait_for(lambda: len(connections) > 1)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < MOST_SECONDS
    assert (process.returncode, "Interrupted" in said) == (130, True)
    assert not (tmp_path / "dataset").exists()
    check_cancelled(tmp_path, "ingest")


@pytest.mark.parametrize("work", ["in_c_code()", "in_a_destructor()"])
def test_a_step_ends_whatever_keeps_python_from_it(tmp_path, work):
    process = started([sys.executable, "-c", COMPONENT.replace("{work}", work)], tmp_path)
    wait_for((tmp_path / "ready").exists)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < MOST_SECONDS
    assert (process.returncode, said.count("ERROR train: it was told to end before it was done")) == (130, 1)
    check_cancelled(tmp_path, "train")


# A command that spends what is left of its time with what it does after the interrupt, as on a machine that is busy.
COMMAND = """
import sys, time
from pathlib import Path
from graft.pipelines.cli.app import app, main

@app.command
def late(seconds: int):
    try:
        Path("ready").touch()
        time.sleep(60)
    finally:
        try:
            time.sleep(seconds)
        finally:
            time.sleep(seconds)

sys.argv[0] = "graft"
main()
"""


UNREAD = """
import sys
from pathlib import Path
from graft.pipelines.cli.app import app, main

@app.command
def full():
    Path("ready").touch()
    print("." * 2**20)

sys.argv = ["graft", "full"]
main()
"""


def test_a_command_says_once_that_it_was_interrupted_while_nobody_reads_what_it_prints(tmp_path):
    """As `less` does not before a key is pressed."""
    process = started([sys.executable, "-c", UNREAD], tmp_path, stdout=subprocess.PIPE)
    wait_for((tmp_path / "ready").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    process.stdout.close()
    assert process.stderr.read() == "graft: Interrupted; unfinished output was removed.\n"
    process.stderr.close()


def told_to_end(script, folder):
    """Sends SIGTERM to a script once it has printed a line; returns its exit code, and what it then printed and said."""
    process = started([sys.executable, "-c", script], folder, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=60)
    return process.returncode, printed, said


SLOW_TO_UNDO = """
import time
from graft.components.common.ending import in_time, undone
with in_time(say=lambda: print("interrupted")), undone(lambda: print("undone")), undone(lambda: time.sleep(3)):
    print("ready", flush=True)
    try:
        time.sleep(60)
    finally:
        time.sleep(0.5)
"""


def test_no_second_interrupt_disturbs_what_undoes_a_command(tmp_path):
    assert told_to_end(SLOW_TO_UNDO, tmp_path) == (130, "undone\ninterrupted\n", "")


LATE = """
import time
from graft.components.common.ending import done, in_time
with in_time(say=lambda: print("interrupted")):
    done.set()
    print("ready", flush=True)
    time.sleep(60)
"""


def test_work_that_is_on_record_as_done_is_not_said_to_be_interrupted(tmp_path):
    assert told_to_end(LATE, tmp_path) == (130, "", "")


FAILING = """
import time
from graft.components.common.errors import GraftError
from graft.components.common.runs.step_record import as_component
with as_component("train"):
    print("ready", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        raise GraftError("the server is gone")
"""


def test_a_step_whose_interrupt_becomes_another_error_says_that_it_was_told_to_end(tmp_path):
    assert told_to_end(FAILING, tmp_path) == (130, "", "ERROR train: it was told to end before it was done\n")


@pytest.mark.parametrize("seconds", [0, 1, 60])
def test_a_command_says_once_that_it_was_interrupted_however_it_ends(tmp_path, seconds):
    process = started([sys.executable, "-c", COMMAND, "late", str(seconds)], tmp_path)
    wait_for((tmp_path / "ready").exists)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "graft: Interrupted; unfinished output was removed.\n")


def test_a_step_ends_when_nobody_is_left_to_read_what_it_says(tmp_path):
    """Whatever killed KFP's launcher, or `graft run`: the shell between them passes nothing on."""
    wrapped = [
        "sh",
        "-c",
        '"$0" -c "$1"; true',
        sys.executable,
        COMPONENT.replace("{work}", "[time.sleep(0.05) for _ in range(1200)]"),
    ]
    process = started(wrapped, tmp_path, stdout=subprocess.PIPE)
    wait_for((tmp_path / "ready").exists)
    process.stdout.close()
    began = time.monotonic()
    assert "told to end" in process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert time.monotonic() - began < MOST_SECONDS
    check_cancelled(tmp_path, "train")


def test_a_step_that_is_given_no_output_does_its_work(tmp_path):
    command = ["sh", "-c", '"$0" -c "$1" >&-', sys.executable, COMPONENT.replace("{work}", "time.sleep(1)")]
    process = started(command, tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_nothing_is_tried_again_once_the_process_has_been_told(monkeypatch):
    told = threading.Event()
    monkeypatch.setattr("graft.components.common.storage.troubles.retries.told", told)
    attempts = []

    def attempt():
        attempts.append(1)
        told.set()
        raise ConnectionError("busy")

    with pytest.raises(InterruptedError, match="told to end"):
        persist(attempt)
    assert len(attempts) == 1


def test_outside_of_the_main_thread_and_after_the_context_nothing_changes():
    before = signal.getsignal(signal.SIGTERM)
    with ending.in_time():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before

    def elsewhere():
        with ending.in_time():
            assert signal.getsignal(signal.SIGTERM) == before

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()


def test_steps_end_cleanly_at_random_moments():
    """A few of them; `make moments` sends SIGTERM a hundred times."""
    played = subprocess.run(
        [sys.executable, MOMENTS, "ingest=6"], capture_output=True, text=True, timeout=300, check=False
    )
    assert played.returncode == 0, played.stderr
    assert json.loads(played.stdout.splitlines()[-1])["slowest_seconds"] < MOST_SECONDS


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def test_a_step_that_is_told_to_end_once_its_record_is_written_ends_as_done(tmp_path):
    script = """
import os, signal
from graft.components.common.ending import in_time
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import recorded

with in_time():
    with recorded("gate", Run("store", "pets", "run-1")):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    print("said")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
    record = json.loads((tmp_path / "store/models/pets/runs/run-1/gate.json").read_text())
    assert record["status"] == "succeeded"


LOST = """
import os, signal, sys
from graft.components.common.ending import done, in_time
with in_time():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:  # as Python itself ignores one in a destructor
        pass
    if sys.argv[1:]:
        done.set()
    sys.exit(0)
"""


@pytest.mark.parametrize(("words", "code"), [(["done"], 0), ([], ending.INTERRUPTED)])
def test_a_step_that_was_done_although_it_was_interrupted_says_so(words, code):
    assert subprocess.run([sys.executable, "-c", LOST, *words], check=False).returncode == code
