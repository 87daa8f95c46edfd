"""Features lie in a temporary file, whose room on the disk is taken before anything is computed."""

import numpy as np
import pytest

from graft.components.common.compute import scratch_array as module
from graft.components.common.compute.scratch_array import scratch_array
from graft.components.common.errors import GraftError


def test_features_are_zeros_on_the_disk_that_can_be_written():
    array = scratch_array((2, 3, 5))
    assert array.dtype == np.float16 and not array.any()
    array[1, 2] = 7
    assert array.sum() == 35
    assert scratch_array((2, 0, 5)).shape == (2, 0, 5)


def test_a_temporary_folder_without_room_is_named_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(GraftError, match=rf"{tmp_path} can't hold 2048000.0 GB of features \(.* GB are free\).*TMPDIR"):
        scratch_array((1, 10**9, 1_024_000))
