"""The SavedModel is loaded as TensorFlow Serving loads it: as a session, which restores only the variables that the checkpoint tracks."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.errors import GraftError
from graft.components.common.serving.session import SavedModelSession
from graft.components.common.serving.tensorflow_library import TensorFlowError

pytestmark = pytest.mark.slow

WITHOUT_TENSORFLOW = """
import sys
from pathlib import Path
import numpy as np
from graft.components.common.serving.session import SavedModelSession
with SavedModelSession(Path(sys.argv[1])) as session:
    image = np.array([Path(sys.argv[2]).read_bytes()], object)
    print(session.run("serving_default", {"image_bytes": image})["label"])
imported = [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras")]
assert not imported, imported
"""


@pytest.fixture(scope="module")
def session(chain):
    with SavedModelSession(chain / "export/serving/model/1") as session:
        yield session


@pytest.fixture(scope="module")
def images(dataset):
    return strings(read_encoded(Dataset.load(dataset), "validation", list(range(20))))


def strings(contents):
    contents = list(contents)
    array = np.empty(len(contents), object)
    array[:] = contents
    return array


def test_a_session_gives_what_evaluate_got(session, chain, images):
    outputs = session.run("serving_default", {"image_bytes": images})
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet").to_pydict()
    expected = np.stack([rows["probability_cats"], rows["probability_dogs"]], axis=1)
    assert np.abs(outputs["probabilities"] - expected).max() < 1e-6
    assert (outputs["class"] == outputs["probabilities"].argmax(axis=1)).all()
    assert [label.decode() for label in outputs["label"]] == [("cats", "dogs")[number] for number in outputs["class"]]


def test_pixels_give_what_the_encoded_image_gives(session, images):
    from graft.components.common.compute.decoding import decode

    pixels = decode(images[0]).numpy()[None]
    by_bytes = session.run("serve_bytes", {"image_bytes": images[:1]})
    by_pixels = session.run("serve_pixels", {"image": pixels})
    np.testing.assert_allclose(by_pixels["probabilities"], by_bytes["probabilities"], atol=1e-6)
    # Of an array that doesn't lie in a row as well.
    mirrored = session.run("serve_pixels", {"image": pixels[:, :, ::-1]})
    again = session.run("serve_pixels", {"image": pixels[:, :, ::-1].copy()})
    np.testing.assert_allclose(mirrored["probabilities"], again["probabilities"], atol=1e-6)


def test_tensorflow_s_python_package_is_not_imported(chain, images, tmp_path):
    (tmp_path / "image").write_bytes(images[0])
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, chain / "export/serving/model/1", tmp_path / "image"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout in ("[b'cats']\n", "[b'dogs']\n")


def test_what_can_t_be_answered_is_an_error_with_its_reason_and_the_next_is_answered(session, images):
    for bad, reason in (
        (b"no image", "is no JPEG, PNG, GIF"),
        (b"", "is no JPEG, PNG, GIF"),
        (images[0][:200], "JPEG"),
    ):
        with pytest.raises(TensorFlowError, match=reason) as raised:
            session.run("serving_default", {"image_bytes": strings([bad])})
        assert raised.value.code == 3
        assert "{{" not in str(raised.value) and "\n" not in str(raised.value)
        assert session.run("serving_default", {"image_bytes": images[:1]})["class"].shape == (1,)


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("none", {"image_bytes": strings([b""])}),
        ("serving_default", {"image": strings([b""])}),
        ("serving_default", {"image_bytes": strings([b""])[None]}),
        ("serving_default", {"image_bytes": strings(["text"])}),
        ("serve_pixels", {"image": np.zeros((1, 2, 2, 4), np.uint8)}),
        ("serve_pixels", {"image": np.zeros((1, 2, 2, 3), np.float32)}),
    ],
)
def test_inputs_that_the_signature_doesn_t_have_are_refused(session, signature, inputs):
    with pytest.raises(ValueError, match=r"no signature|can't be|must be bytes"):
        session.run(signature, inputs)


def test_a_name_that_looks_like_a_pattern_is_loaded(chain, tmp_path, images):
    place = tmp_path / r"model [1]*?\x"
    place.symlink_to(chain / "export/serving/model/1")
    with SavedModelSession(place) as session:
        assert session.run("serving_default", {"image_bytes": images[:1]})["class"].shape == (1,)


def test_what_is_no_model_is_an_error(chain, tmp_path):
    with pytest.raises(TensorFlowError, match="Could not find SavedModel"):
        SavedModelSession(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(TensorFlowError):
        SavedModelSession(tmp_path)
    with pytest.raises(GraftError, match="can't be loaded as TensorFlow's C library"):
        SavedModelSession(chain / "export/serving/model/1", Path(find_spec("numpy").origin))
