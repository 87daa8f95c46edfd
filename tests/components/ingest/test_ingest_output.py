"""However ingest ends, its output folder holds a whole Dataset or is as it was."""

import os
import signal
import subprocess
import sys
import time

import pytest
from pictures import encoded, noise, pack, split_files, write_folder
from support import skip

from graft.components.common.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.ingest import checking
from graft.components.ingest import ingest as step
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
        patched.setattr(step, "write_index", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            ingest(str(source), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
    ingest(str(source), tmp_path / "dataset")
    assert Dataset.load(tmp_path / "dataset").count("train") == 6


def test_interrupted_in_a_thread_that_checks_images(tmp_path, source, monkeypatch):
    def interrupted(content):
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "check_image", interrupted)
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
def wait(rows, shard_names, path):
    path.write_bytes(b"half an index")
    open(sys.argv[3]).read()
step.write_index = wait
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
