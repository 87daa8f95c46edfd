"""An artifact without its record is no artifact: a step that fails leaves nothing, and no other touches it."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.errors import GraftError


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("error", [GraftError("no"), KeyboardInterrupt(), None], ids=repr)
def test_a_step_that_fails_or_forgets_its_record_leaves_nothing(tmp_path, existed, error):
    output = tmp_path / "below" / "output"
    if existed:
        output.mkdir(parents=True)
    with pytest.raises(type(error) if error else RuntimeError), new_artifact(output, "x.json"):
        (output / "folder").mkdir()
        (output / "folder" / "half").write_text("half")
        if error:
            raise error
    assert output.exists() == existed
    assert not existed or list(output.iterdir()) == []


def test_a_leftover_is_cleared_and_a_finished_one_is_not(tmp_path):
    output = tmp_path / "output"
    output.mkdir()
    (output / ".unfinished").touch()
    (output / "half").touch()
    with new_artifact(output, "x.json"):
        assert [path.name for path in output.iterdir()] == [".unfinished"]
        (output / "x.json").write_text("{}")
    assert [path.name for path in output.iterdir()] == ["x.json"]
    with pytest.raises(GraftError, match="finished result"), new_artifact(output, "x.json"):
        pytest.fail("it began")
    assert [path.name for path in output.iterdir()] == ["x.json"]


def test_a_path_that_no_record_can_tell_is_refused_at_once(tmp_path):
    with pytest.raises(GraftError, match=r"udcff' is no valid UTF-8"), new_artifact(tmp_path / "\udcff", "x.json"):
        pytest.fail("it began")


def test_a_leftovers_links_are_removed_and_not_what_they_lead_to(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / ".unfinished").touch()
    (tmp_path / "output" / "link").symlink_to(tmp_path / "precious")
    with new_artifact(tmp_path / "output", "x.json"):
        (tmp_path / "output" / "x.json").write_text("{}")
    assert (tmp_path / "precious" / "file").exists()


def test_who_comes_second_is_told_who_fills_it_and_touches_nothing(tmp_path):
    output = tmp_path / "output"
    with new_artifact(output, "x.json"):
        (output / "half").write_text("half")
        with pytest.raises(GraftError) as refused, new_artifact(output, "x.json"):
            pytest.fail("it began")
        said = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%dT%H:}"
        assert f"{output} is being filled by {said}" in str(refused.value) and "\n" not in str(refused.value)
        assert (output / "half").exists()
        (output / "x.json").write_text("{}")
        with pytest.raises(GraftError, match="finished result"), new_artifact(output, "x.json"):
            pytest.fail("it began")
    assert {path.name for path in output.iterdir()} == {"half", "x.json"}


def test_what_a_killed_process_left_doesnt_block_the_next_one(tmp_path):
    output = tmp_path / "output"
    killed = subprocess.Popen([sys.executable, "-c", FILLS, str(output)], stdout=subprocess.PIPE)
    try:
        assert killed.stdout.readline() == b"filling\n"
        with pytest.raises(GraftError, match=f"filled by process {killed.pid} on"), new_artifact(output, "x.json"):
            pytest.fail("it began")
    finally:
        killed.kill()
        killed.communicate()
    assert (output / "half").exists()
    with new_artifact(output, "x.json"):
        assert [path.name for path in output.iterdir()] == [".unfinished"]
        (output / "x.json").write_text("{}")


FILLS = """
import sys, time
from pathlib import Path
from graft.components.common.artifacts.artifact import new_artifact
with new_artifact(Path(sys.argv[1]), "x.json") as output:
    (output / "half").touch()
    print("filling", flush=True)
    time.sleep(60)
"""


def test_on_a_drive_without_locks_what_was_begun_is_removed_by_hand(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    output = tmp_path / "output"
    with new_artifact(output, "x.json"):
        (output / "half").touch()
        refused = rf"begun by process {os.getpid()} on .* remove the folder if that process is dead"
        with pytest.raises(GraftError, match=refused), new_artifact(output, "x.json"):
            pytest.fail("it began")
        (output / "x.json").write_text("{}")
    assert {path.name for path in output.iterdir()} == {"half", "x.json"}


def test_what_another_machine_took_over_is_left_to_it(tmp_path):
    output = tmp_path / "output"
    with pytest.raises(GraftError, match="taken over by another process"), new_artifact(output, "x.json"):
        (output / ".unfinished").write_text("process 1 on elsewhere since yesterday\n")
        (output / "x.json").touch()
    assert {path.name for path in output.iterdir()} == {".unfinished", "x.json"}


def test_an_owner_that_is_no_text_is_not_repeated(tmp_path):
    (tmp_path / ".unfinished").write_bytes(b"\x1b[2J\xff")
    with (tmp_path / ".unfinished").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(GraftError, match="by a process that has just begun"), new_artifact(tmp_path, "x.json"):
            pytest.fail("it began")


def test_of_many_at_once_one_fills_it_whatever_becomes_of_the_others(tmp_path):
    for trial in range(150):
        output, inside, finished, refused = tmp_path / str(trial), [], [], []
        start = threading.Barrier(4)

        def fill(number, output=output, inside=inside, finished=finished, refused=refused, start=start):
            start.wait()
            try:
                with new_artifact(output, "x.json"):
                    inside.append(number)
                    assert inside == [number] and [path.name for path in output.iterdir()] == [".unfinished"]
                    (output / "half").write_text(str(number))
                    inside.remove(number)
                    if number % 2:
                        raise KeyError("a step that fails")
                    (output / "x.json").write_text(str(number))
                finished.append(number)
            except (GraftError, KeyError) as error:
                refused.append(error)

        threads = [threading.Thread(target=fill, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(finished) <= 1 and len(finished) + len(refused) == 4
        if finished:
            assert {path.name: path.read_text() for path in output.iterdir()} == dict.fromkeys(
                ("half", "x.json"), str(finished[0])
            )
        else:
            assert not output.exists() or not any(output.iterdir())
