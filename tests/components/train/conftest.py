"""Settings with which training on the small dataset takes seconds, and stores of every kind."""

import dataclasses
import uuid

import pytest
from support import QUICK


@pytest.fixture
def quick():
    return dataclasses.replace(QUICK, epochs=3)


@pytest.fixture(params=["local", "memory", "gs"])
def store(request, tmp_path):
    """URI of an empty store, once for each kind of file system."""
    if request.param == "gs":
        return f"{request.getfixturevalue('bucket')}/store"
    return str(tmp_path / "store") if request.param == "local" else f"memory://{uuid.uuid4().hex}"
