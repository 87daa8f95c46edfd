"""What tests and fixtures share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REQUIRED = os.environ.get("GRAFT_TEST_REQUIRE", "").split()


def skip(what, reason):
    """Skips a test for want of something, or fails it where that was required."""
    if what in REQUIRED:
        pytest.fail(f"{what} required by GRAFT_TEST_REQUIRE, but {reason}")
    pytest.skip(reason)
