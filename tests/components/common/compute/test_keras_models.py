"""Of a model's file nothing is run that Keras doesn't call safe, and whoever names it is told so in one sentence."""

import shutil

import pytest
from support import ROOT

from graft.components.common.artifacts.model import Model
from graft.components.common.compute.keras_models import load_model
from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file

pytestmark = pytest.mark.slow


def write_code(file):
    import keras

    keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda value: value)]).save(file)


@pytest.mark.parametrize("write", [write_code, lambda file: file.write_bytes(b"no zip")], ids=["code", "damaged"])
def test_what_keras_doesn_t_load_is_told_in_one_sentence(tmp_path, write):
    shutil.copyfile(ROOT / "tests/fixtures/schema_2/lineage" / Model.FILE, tmp_path / Model.FILE)
    write(tmp_path / Model.KERAS)
    digest = sha256_file(tmp_path / Model.KERAS)
    Model.load(tmp_path).model_copy(update={"model_digest": digest}).write(tmp_path)
    with pytest.raises(
        GraftError, match=r"model.keras can't be loaded \(.*\): .* name a model that graft train made"
    ) as refused:
        load_model(tmp_path)
    assert "\n" not in str(refused.value)
