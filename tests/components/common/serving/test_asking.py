"""A SavedModel is asked once in a process of its own, whatever becomes of that."""

import json
import shutil

import pytest

from graft.components.common.artifacts.export import Export
from graft.components.common.errors import GraftError
from graft.components.common.serving import asking
from graft.components.common.serving.asking import ask_saved_model


@pytest.mark.slow
def test_it_answers_as_the_server_did(chain):
    folder = chain / "export"
    answer = ask_saved_model(folder / "serving/model/1", (folder / Export.REQUEST).read_bytes(), 120)
    (expected,) = json.loads((folder / Export.RESPONSE).read_bytes())["predictions"]
    (got,) = json.loads(answer)["predictions"]
    assert got == expected | {"probabilities": pytest.approx(expected["probabilities"], abs=1e-5)}


@pytest.mark.slow
def test_what_can_t_be_answered_is_told_in_a_sentence(chain, tmp_path):
    folder = chain / "export/serving/model/1"
    with pytest.raises(GraftError, match=r"gives no answer: The request can't be understood: .*JSON"):
        ask_saved_model(folder, b"{", 120)
    shutil.copytree(folder, tmp_path / "1")
    (tmp_path / "1/saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(GraftError, match="1 gives no answer: .* can't be loaded .*: export the model again"):
        ask_saved_model(tmp_path / "1", b"{}", 120)


def test_a_crash_and_a_process_that_hangs_end_nothing_else(tmp_path, monkeypatch):
    for script, said in (("kill -SEGV $$", "its process ended with -11"), ("exec sleep 60", "no answer in 1 seconds")):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr(asking.sys, "executable", str(python))
        with pytest.raises(GraftError, match=said):
            ask_saved_model(tmp_path, b"{}", 1)
