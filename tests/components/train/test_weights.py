"""A weights file is named as wrong before any work starts."""

import h5py
import numpy as np
import pytest

from graft.components.common.errors import GraftError
from graft.components.train.weights import check_weights


def write_h5(path, *sizes):
    with h5py.File(path, "w") as file:
        for number, size in enumerate(sizes):
            file.create_dataset(f"layers/conv2d_{number}/vars/0", shape=(size,), dtype="int8")
        file.create_dataset("optimizer/vars/0", data=np.zeros(5))
    return str(path)


@pytest.mark.parametrize("name", ["imagenet", "random"])
def test_named_weights_need_no_file(name):
    check_weights(name)


def test_a_file_with_the_network_s_parameters_passes_whatever_its_optimizer(tmp_path):
    check_weights(write_h5(tmp_path / "good.h5", 21_802_784 - 3, 3))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((1000,), "holds 1,000 weights .* another network"),
        ((23_851_784,), "with its top: name the file without the top"),
    ],
)
def test_another_network_is_refused(tmp_path, sizes, said):
    with pytest.raises(GraftError, match=said):
        check_weights(write_h5(tmp_path / "other.h5", *sizes))


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_no_weights_file_is_refused(tmp_path, content):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(GraftError, match="weights.h5 is"):
        check_weights(str(path))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(GraftError, match="doesn't exist"):
        check_weights(str(tmp_path / "none.h5"))
