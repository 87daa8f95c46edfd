"""What a step leaves behind when it ends: its run record, and always its own error."""

import logging

import pytest

from graft.components.common.errors import GraftError
from graft.components.common.progress_lines import SWITCH, Warned, find
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import component_step, recorded


def test_a_record_that_cannot_be_written_does_not_hide_why_the_step_failed(tmp_path, caplog):
    run = Run(str(tmp_path), "pets", "run-1")
    with pytest.raises(GraftError, match="^caf\udce9 can't be read$"), recorded("ingest", run):
        raise GraftError("caf\udce9 can't be read")  # a file's name that is no UTF-8
    assert "the run record can't be written" in caplog.text


def test_whatever_a_library_says_of_a_signed_url_is_not_kept(tmp_path):
    with pytest.raises(RuntimeError), recorded("ingest", Run(str(tmp_path), "pets", "monday")):
        raise RuntimeError("https://host/a.zip?sig=S3CRET: url /a.zip?sig=S3CRET timed out")
    written = (tmp_path / "models/pets/runs/monday/ingest.json").read_text()
    assert "https://host/a.zip" in written and "S3CRET" not in written


def test_what_a_step_warns_of_is_told_to_who_asked_for_it(tmp_path, monkeypatch, capfd):
    log = logging.getLogger("graft")
    before = [*log.handlers]
    for asked, told in (("", []), ("1", [Warned("class 'cats' is small")])):
        monkeypatch.setenv(SWITCH, asked)
        with component_step("ingest", str(tmp_path), "pets", "monday"):
            log.info("all is well")
            log.warning("class %r is small", "cats")
        printed = [find(line)[1] for line in capfd.readouterr().out.split("\n")]
        assert [one for one in printed if isinstance(one, Warned)] == told
    assert log.handlers == before
