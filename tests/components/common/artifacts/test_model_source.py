"""A version is what its checksums say: what is put beside it, into it or in its place is not believed."""

import json
import os
import shutil
from pathlib import Path

import fsspec
import pytest
from exports import make_export, model_digest
from hostile_web import hostile_server, whole
from support import ROOT

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS, write_sums
from graft.components.common.artifacts.model_source import open_model
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry

TRAINING = json.loads((ROOT / "tests/fixtures/schema_2/lineage/training.json").read_text())
CLASSES = tuple(TRAINING["classes"])


def write_training(path, **changes):
    path.write_text(json.dumps(TRAINING | {"model_digest": model_digest(1)} | changes))


def sum_up(folder):
    (folder / SUMS).unlink()
    write_sums(folder)


@pytest.fixture
def export(tmp_path):
    """A local Export, with all that `open_model` reads."""
    make_export(tmp_path / "export", 1)
    write_training(tmp_path / "export/lineage/training.json")
    sum_up(tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture
def registry(export, tmp_path):
    return Registry(str(tmp_path / "store"), "pets")


@pytest.fixture
def version(registry, export):
    """The folder of a published version."""
    return Path(registry.versions.uri(registry.publish(export)))


@pytest.fixture(params=["export", "version"])
def folder(request):
    return request.getfixturevalue(request.param)


def classes(uri):
    with open_model(str(uri)) as model:
        return model.classes


def refusal(uri):
    with pytest.raises(GraftError) as refused, open_model(str(uri)):
        pass
    return str(refused.value)


def test_a_record_put_beside_it_is_not_read(folder):
    write_training(folder / "training.json", classes=CLASSES[::-1])
    (folder / ".DS_Store").write_bytes(b"\0")
    assert classes(folder) == CLASSES


@pytest.mark.slow
def test_a_record_put_beside_one_in_a_bucket_is_not_read(bucket, export, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    registry = Registry(bucket, "pets")
    uri = registry.versions.uri(registry.publish(export))
    write_training(tmp_path / "training.json", classes=CLASSES[::-1])
    storage.put(tmp_path / "training.json", f"{uri}/training.json")
    assert classes(uri) == CLASSES
    storage.delete(f"{uri}/{SUMS}")
    assert "is no finished Model or Export" in refusal(uri)


@pytest.mark.parametrize("name", ["{}", "{}/.", "link", "{}/lineage/.."])
def test_a_version_without_its_checksums_is_no_model_whatever_lies_in_it(version, tmp_path, name):
    (tmp_path / "link").symlink_to(version)
    write_training(version / "training.json")
    (version / SUMS).unlink()
    assert "is no finished Model or Export" in refusal(tmp_path / name.format(version))


@pytest.mark.parametrize("name", ["{}", "{}/.", "link", "."])
def test_a_version_with_other_checksums_is_refused_however_it_is_named(version, tmp_path, monkeypatch, name):
    (tmp_path / "link").symlink_to(version)
    write_training(version / "lineage/training.json", classes=CLASSES[::-1])
    sum_up(version)
    monkeypatch.chdir(version)
    assert "is not the one that names this version" in refusal(
        name.format(version) if name != "link" else tmp_path / name
    )


@pytest.mark.parametrize(
    "strange",
    [
        "serving/pets/1/assets/labels.txt",
        "serving/pets/1/variables/.DS_Store",
        "serving/pets/1/x",
        "serving/pets/2/saved_model.pb",
        "serving/pets/2/.saved_model.pb.0a.part",
        "serving/models.config",
    ],
)
def test_a_saved_model_with_a_file_too_many_is_refused(folder, registry, strange):
    (folder / strange).parent.mkdir(exist_ok=True)
    (folder / strange).write_text("hello")
    told = f"{folder / strange} is not in SHA256SUMS, and who loads serving would be given it: remove it."
    assert refusal(folder) == told
    with pytest.raises(GraftError, match="is not in SHA256SUMS"):
        registry.publish(folder)
    if folder.name != "export":
        assert registry.verify()[0] == told
        with pytest.raises(GraftError, match="is not in SHA256SUMS"):
            registry.promote(folder.name)


@pytest.mark.parametrize("kind", ["empty", "link"])
def test_another_folder_that_a_server_takes_for_a_version_is_refused(folder, tmp_path, kind):
    strange = folder / "serving/pets/2"
    if kind == "empty":
        strange.mkdir()
    else:
        (tmp_path / "elsewhere").mkdir()
        strange.symlink_to(tmp_path / "elsewhere")
    assert refusal(folder) == f"{strange}/ is not in SHA256SUMS, and who loads serving would be given it: remove it."


def mark(uri):
    """Writes the empty object that stands for a folder in an S3 bucket."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    fsspec.filesystem("s3").call_s3("put_object", Bucket=bucket, Key=key, Body=b"")


@pytest.mark.slow
def test_a_mark_in_a_bucket_that_a_server_takes_for_a_version_is_refused(s3_bucket, export, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    registry = Registry(s3_bucket, "pets")
    uri = registry.versions.uri(registry.publish(export))
    mark(f"{uri}/serving/pets/1/")
    assert classes(uri) == CLASSES
    mark(f"{uri}/serving/pets/2/")
    assert (
        refusal(uri)
        == f"{uri}/serving/pets/2/ is not in SHA256SUMS, and who loads serving would be given it: remove it."
    )


def test_a_saved_model_as_it_lay_before_is_held_to_the_same(export):
    (export / "serving/pets/1").rename(export / "saved_model")
    shutil.rmtree(export / "serving")
    sum_up(export)
    assert classes(export) == CLASSES
    (export / "saved_model/assets").mkdir()  # TensorFlow makes one
    assert classes(export) == CLASSES
    (export / "saved_model/more").write_text("hello")
    told = f"{export}/saved_model/more is not in SHA256SUMS, and who loads saved_model would be given it: remove it."
    assert refusal(export) == told


def test_what_a_killed_upload_left_in_a_saved_model_harms_nobody(version):
    (version / "serving/pets/1/.saved_model.pb.0a.part").write_bytes(b"half")
    assert classes(version) == CLASSES


@pytest.mark.parametrize("record", ["training.json", "evaluation.json"])
def test_records_about_another_model_are_not_believed(export, registry, record):
    file = export / "lineage" / record
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_digest": "0" * 64}))
    sum_up(export)
    told = f"{file} is not about the model.keras that lies with it: name another version, or export the model again."
    if record == "training.json":
        assert refusal(export) == told
    else:
        with pytest.raises(GraftError) as refused:
            registry.publish(export)
        assert str(refused.value) == told


def test_a_model_is_read_as_before(tmp_path, export):
    (tmp_path / "model").mkdir()
    os.link(export / "model.keras", tmp_path / "model/model.keras")
    write_training(tmp_path / "model/training.json")
    assert classes(tmp_path / "model") == CLASSES
    (tmp_path / "model/model.keras").unlink()
    (tmp_path / "model/model.keras").write_bytes(b"another")
    assert "model.keras has the SHA-256" in refusal(tmp_path / "model")


@pytest.mark.slow
def test_a_version_on_a_web_server_which_lists_nothing_is_read_as_before(version, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    uri = f"versions/{version.name}"
    with hostile_server() as server:
        for path in filter(Path.is_file, version.rglob("*")):
            server.answers[f"/{uri}/{path.relative_to(version).as_posix()}"] = whole(path.read_bytes())
        assert classes(f"{server.url}/{uri}") == CLASSES
