"""However ingest ends, its output folder holds a whole Dataset or is as it was."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import Forker
from pictures import encoded, noise, pack, split_files, write_folder
from support import skip

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file
from graft.components.ingest import ingest as step
from graft.components.ingest.images import decoding_pool
from graft.components.ingest.ingest import ingest


@pytest.fixture
def source(tmp_path):
    return write_folder(tmp_path / "source", split_files())


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        skip("tmpfs", f"a small disk can't be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(small_disk, source):
    write_folder(source, {f"train/cats/n{n}.png": encoded(noise(n, (300, 290)), "PNG") for n in range(20)})
    with pytest.raises(OSError, match="No space left on device"):
        ingest(str(source), small_disk / "dataset")
    assert list(small_disk.iterdir()) == []


def test_interrupted_by_ctrl_c(tmp_path, source, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(step, "count_images", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            ingest(str(source), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
    ingest(str(source), tmp_path / "dataset")
    assert Dataset.load(tmp_path / "dataset").count("train") == 6


def test_interrupted_in_a_thread_that_checks_images(tmp_path, source, monkeypatch):
    def interrupted(content):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding_pool, "check_image", interrupted)
    (tmp_path / "dataset").mkdir()
    with pytest.raises(KeyboardInterrupt):
        ingest(str(source), tmp_path / "dataset")
    assert list((tmp_path / "dataset").iterdir()) == []


def test_killed(tmp_path, source):
    output = tmp_path / "dataset"
    os.mkfifo(tmp_path / "gate")
    # Stops in the middle of its work, after it has written images, and waits there to be killed.
    program = """
import sys
from pathlib import Path
from graft.components.ingest import ingest as step
def wait(*_):
    Path(sys.argv[2], "index.parquet").write_bytes(b"half an index")
    open(sys.argv[3]).read()
assert step.write_indexes
step.write_indexes = wait
step.ingest(sys.argv[1], Path(sys.argv[2]))
"""
    with subprocess.Popen([sys.executable, "-c", program, source, output, tmp_path / "gate"]) as process:
        deadline = time.monotonic() + 30
        while not (output / "index.parquet").exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert (output / "train-00000.tfrecord").exists() and not (output / "dataset.json").exists()
    with pytest.raises(GraftError, match="did not finish"):
        Dataset.load(output)
    ingest(str(source), output)
    assert Dataset.load(output).count("train") == 6
    assert not (output / ".unfinished").exists()


def test_a_finished_dataset_is_not_touched(tmp_path, source):
    output = tmp_path / "dataset"
    ingest(str(source), output)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.iterdir()}
    with pytest.raises(GraftError, match="already holds a finished result"):
        ingest(str(source), output)
    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.iterdir()}


@pytest.mark.parametrize("foreign", ["folder", "file"])
def test_what_is_somebody_elses_is_not_touched(tmp_path, source, foreign):
    output = tmp_path / "dataset"
    letter = output / "letter.txt" if foreign == "folder" else output
    letter.parent.mkdir(exist_ok=True)
    letter.write_text("dear")
    with pytest.raises(GraftError, match="is not empty" if foreign == "folder" else "is a file"):
        ingest(str(source), output)
    assert letter.read_text() == "dear"


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    ingest(str(pack(split_files(), tmp_path / "source.tar.gz")), tmp_path / "dataset")
    assert list((tmp_path / "tmp").iterdir()) == []


# Code that has processes decode the images of `many`, as they decode thousands.
IN_PROCESSES = "from graft.components.ingest.images import decoding_pool; decoding_pool._MANY = 300"


def many(tmp_path, count=400):
    """A source of so many images."""
    images = [encoded(noise(seed, (160, 120))) for seed in range(60)]
    files = {
        f"{label}/{number:04}.jpg": images[number % 60] for label in ("cats", "dogs") for number in range(count // 2)
    }
    files |= {"cats/bad.jpg": b"x", "dogs/converted.bmp": encoded(noise(99), "BMP")}
    return write_folder(tmp_path / "many", files)


@pytest.mark.slow
def test_processes_and_threads_find_the_same_and_a_script_needs_no_guard(tmp_path, monkeypatch):
    source, script = many(tmp_path), tmp_path / "script.py"
    script.write_text(
        f"import sys; from pathlib import Path; from graft.components.ingest.ingest import ingest\n{IN_PROCESSES}\n"
        "print('begun', flush=True); ingest(sys.argv[1], Path(sys.argv[2]))\n"
    )
    command = [sys.executable, script, source, tmp_path / "processes"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "begun\n"
    monkeypatch.setattr(decoding_pool, "_MANY", 10**9)
    ingest(str(source), tmp_path / "threads")
    for path in (tmp_path / "threads").iterdir():
        if path.suffix in (".tfrecord", ".parquet"):
            assert path.read_bytes() == (tmp_path / "processes" / path.name).read_bytes()
    found = [json.loads((tmp_path / name / "dataset.json").read_text()) for name in ("threads", "processes")]
    assert {**found[0], "created": ""} == {**found[1], "created": ""} and len(found[0]["excluded"]) == 1
    assert Dataset.load(tmp_path / "processes").count("train") > 0


def children(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found.append(int(path.parent.name))
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


GRAFT = Path(sys.executable).with_name("graft")


# The command `graft`, which gets SIGKILL after some seconds, and says before which processes it has.
KILLED = f"""
import multiprocessing, os, signal, sys, threading
from pathlib import Path
from graft.pipelines.cli.app import main
{IN_PROCESSES}
seconds, told, *words = sys.argv[1:]
def kill():
    Path(told).write_text(" ".join(str(worker.pid) for worker in multiprocessing.active_children()))
    os.kill(os.getpid(), signal.SIGKILL)
timer = threading.Timer(float(seconds), kill)
timer.daemon = True
timer.start()
sys.argv = ["graft", *words]
main()
"""


@pytest.fixture
def forker():
    """Starts processes that have imported what ingest needs, so that they are killed at their work."""
    forker = Forker("graft.pipelines.cli.steps.ingest_command", "graft.components.ingest.ingest", "matplotlib.figure")
    yield forker
    forker.end()


@pytest.mark.slow
def test_killed_at_all_kinds_of_moments(forker, tmp_path):
    """Nothing that another step would take is ever left, nor a process; and the next attempt gives what an unbroken one does."""
    source, chance, told = many(tmp_path), random.Random(11), tmp_path / "workers"

    def end_after(seconds, output):
        words = ["ingest", "--source", source, "--store", tmp_path / "store", "--output", output]
        [(code, _)] = forker.run(tmp_path, KILLED, [seconds, told, *words])
        return code

    start = time.monotonic()
    assert end_after(600, tmp_path / "whole") == 0
    seconds, whole = time.monotonic() - start, Dataset.load(tmp_path / "whole")
    moments, finished = 4, 0
    for number in range(moments):
        output, before = tmp_path / "dataset", set((tmp_path / "store/shards").iterdir())
        told.write_text("")
        code = end_after((number + chance.random()) / moments * seconds, output)
        assert code in (0, -signal.SIGKILL)
        if code == 0 or (output / "dataset.json").exists():
            assert Dataset.load(output).digest == whole.digest
            finished += 1
            shutil.rmtree(output)
        elif output.exists():
            with pytest.raises(GraftError, match="did not finish"):
                Dataset.load(output)
        shards = [path for path in (tmp_path / "store/shards").iterdir() if path.suffix == ".tfrecord"]
        assert all(path in before or sha256_file(path) == path.stem for path in shards)
        workers, deadline = list(map(int, told.read_text().split())), time.monotonic() + 60
        while any(map(is_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_alive, workers))
        if number % 2:
            assert ingest(str(source), output).digest == whole.digest
            shutil.rmtree(output)
    assert finished < moments


@pytest.mark.slow
def test_a_decoder_that_is_killed_is_told_as_such(tmp_path):
    source, output = many(tmp_path, 3000), tmp_path / "dataset"
    with subprocess.Popen(
        [GRAFT, "ingest", "--source", source, "--output", output], stderr=subprocess.PIPE, text=True
    ) as process:
        workers = []
        while len(workers) < 2 and process.poll() is None:
            time.sleep(0.02)
            workers = [pid for pid in children(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(workers[-1], signal.SIGKILL)
        message = process.stderr.read()
    assert process.returncode == 1 and "A process that decodes images was killed" in message.splitlines()[-1]
    assert not output.exists()
