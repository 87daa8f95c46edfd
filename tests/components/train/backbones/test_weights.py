"""A weights file is named as wrong before any work starts."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
from web import web_server

from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file
from graft.components.train.backbones.known import ARCHITECTURES, DEFAULT
from graft.components.train.backbones.weights import Weights, check_weights

pytestmark = pytest.mark.slow


def write_h5(path, *sizes):
    with h5py.File(path, "w") as file:
        for number, size in enumerate(sizes):
            file.create_dataset(f"layers/conv2d_{number}/vars/0", shape=(size,), dtype="int8")
        file.create_dataset("optimizer/vars/0", data=np.zeros(5))
    return str(path)


def test_random_weights_need_no_file():
    check_weights("random")


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_imagenet_weights_must_be_here_or_answer(tmp_path, monkeypatch, architecture):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    name = architecture.imagenet_url.rpartition("/")[2]
    with web_server(lambda *request: (200, {})) as web:
        architecture = dataclasses.replace(architecture, imagenet_url=f"{web.url}/{name}")
        check_weights("imagenet", "", architecture)
        assert web.asked[0][:2] == ("HEAD", f"/{name}")
        web.answer = lambda *request: (403, {})
        with pytest.raises(GraftError, match=f"ImageNet weights can't be reached .* copy {name} to"):
            check_weights("imagenet", "", architecture)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).touch()
    check_weights("imagenet", "", architecture)


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


def test_another_backbone_s_weights_are_named_as_such(tmp_path):
    mobile, path = ARCHITECTURES["mobilenet_v3_large"], write_h5(tmp_path / "mobile.h5", 2_996_352)
    check_weights(path)
    check_weights(path, "", mobile)
    said = (
        r"mobile\.h5 is MobileNetV3Large's, and the backbone is inception_v3: .* or set backbone to mobilenet_v3_large"
    )
    with pytest.raises(GraftError, match=said):
        check_weights(path, "", DEFAULT)
    with pytest.raises(GraftError, match=r"mobile\.h5 is Mob.*: name EfficientNetV2B0's notop file"):
        check_weights(path, "", ARCHITECTURES["efficientnet_v2_b0"])
    with pytest.raises(GraftError, match="EfficientNetV2B0 with its top"):
        check_weights(write_h5(tmp_path / "top.h5", 7_200_312), "", mobile)


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_no_weights_file_is_refused(tmp_path, content):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(GraftError, match="weights.h5 is"):
        check_weights(str(path))


@pytest.mark.parametrize("mark", [b"TREE", b"HEAP", b"SNOD"])
def test_a_file_that_is_damaged_within_is_told_as_such(tmp_path, mark):
    path = tmp_path / "weights.h5"
    write_h5(path, 10)
    before, _, after = path.read_bytes().rpartition(mark)
    path.write_bytes(before + b"\0" * 4 + after)
    with pytest.raises(GraftError, match=r"weights\.h5 is damaged \(\w+Error .*\): get the file again\.$"):
        check_weights(str(path))


@pytest.fixture(scope="module")
def network():
    import keras

    return keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(75, 75, 3))


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    """The network's weights as Keras writes them: the whole network, and the weights alone."""
    folder = tmp_path_factory.mktemp("saved")
    network.save(folder / "saved.h5")
    network.save_weights(folder / "saved.weights.h5")
    return folder, network.get_weights()


@pytest.mark.parametrize("layout", ["saved.h5", "saved.weights.h5"])
@pytest.mark.parametrize("name", ["0123abcd", "w.h5", "w.hdf5", "w.weights.h5"])
def test_keras_reads_either_layout_whatever_the_file_s_name(network, tmp_path, saved, layout, name):
    folder, before = saved
    network.set_weights([np.zeros_like(array) for array in before])
    weights, scratch = tmp_path / name, tmp_path / "scratch"
    weights.hardlink_to(folder / layout)
    scratch.mkdir()
    check_weights(str(weights))
    network.load_weights(Weights(str(weights), "", DEFAULT).file(scratch))
    assert all((array == loaded).all() for array, loaded in zip(before, network.get_weights(), strict=True))


def test_a_file_that_keras_knows_by_its_name_stays_where_it_is(tmp_path):
    path = write_h5(tmp_path / "good.weights.h5", 21_802_784)
    assert str(Weights(path, "", DEFAULT).file(tmp_path / "none")) == path


def test_the_file_must_be_the_one_that_its_sha256_names(tmp_path):
    path = write_h5(tmp_path / "good.h5", 21_802_784)
    right, wrong = sha256_file(Path(path)), "0" * 64
    check_weights(path, right)
    assert Weights(path, right, DEFAULT).file(tmp_path).resolve() == Path(path)
    for check in (lambda: check_weights(path, wrong), lambda: Weights(path, wrong, DEFAULT).file(tmp_path)):
        with pytest.raises(GraftError, match=f"good.h5 has the SHA-256 {right}, not {wrong}"):
            check()
    for named in ("imagenet", "random"):
        with pytest.raises(GraftError, match=f"the weights are {named}: name the file, or leave it out"):
            check_weights(named, right)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(GraftError, match="doesn't exist"):
        check_weights(str(tmp_path / "none.h5"))
