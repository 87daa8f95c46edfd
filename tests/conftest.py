"""What several tests share."""

import os
from pathlib import Path

import pytest
from support import ROOT, skip


@pytest.fixture(scope="session")
def photographs():
    """Path of the archive of real photographs."""
    return _file("GRAFT_TEST_SOURCE", "the cats and dogs archive")


@pytest.fixture(scope="session")
def pretrained():
    """Path of pretrained weights."""
    return _file("GRAFT_TEST_WEIGHTS", "an InceptionV3 notop weights file")


def _file(variable, what):
    value = os.environ.get(variable)
    if not value:
        skip("photographs", f"{variable} doesn't name {what}")
    path = Path(value)
    if not path.is_absolute():
        path = ROOT / path
    if not path.is_file():
        skip("photographs", f"{path} ({variable}) doesn't exist")
    return path
