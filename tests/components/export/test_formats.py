"""What formats need is asked for before any work."""

import dataclasses

import pytest

from graft.components.common.config import configure
from graft.components.common.errors import GraftError
from graft.components.export.config import ExportConfig
from graft.components.export.formats import FURTHER, check_machine


def test_what_is_installed_is_enough():
    check_machine(FURTHER)


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(FURTHER, "onnx", dataclasses.replace(FURTHER["onnx"], packages=("onnx", "no_such_package")))
    with pytest.raises(GraftError, match=r"The format onnx needs no_such_package"):
        check_machine(["onnx"])


def test_an_unknown_format_is_refused():
    with pytest.raises(GraftError, match=r"export: formats\.0 can't be 'coreml'"):
        configure("export", ExportConfig, {"formats": ["coreml"]})
