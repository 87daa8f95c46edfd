"""What formats need is asked for before any work."""

import dataclasses
import time

import pytest

from graft.components.common.config import configure
from graft.components.common.errors import GraftError
from graft.components.export.config import ExportConfig
from graft.components.export.formats import FURTHER, check_machine
from graft.components.train.train import train


def test_what_is_installed_is_enough():
    check_machine(FURTHER)


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(FURTHER, "onnx", dataclasses.replace(FURTHER["onnx"], packages=("onnx", "no_such_package")))
    with pytest.raises(GraftError, match=r"The format onnx needs no_such_package"):
        check_machine(["onnx"])


def test_a_clock_that_was_not_set_is_told_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(time, "time", lambda: 600.0)
    said = r"^This machine's clock says 1970, when no model's file can be written: set it by NTP\.$"
    with pytest.raises(GraftError, match=said):
        check_machine(())
    with pytest.raises(GraftError, match=said):
        train(tmp_path / "dataset", tmp_path / "model")


def test_an_unknown_format_is_refused():
    with pytest.raises(GraftError, match=r"export: formats\.0 can't be 'coreml'"):
        configure("export", ExportConfig, {"formats": ["coreml"]})
