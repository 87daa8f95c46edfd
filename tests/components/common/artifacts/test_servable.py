"""A server is given the SavedModel of a version: every file as it was published, from both layouts, and nothing that lies beside it."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from exports import make_export
from hostile_web import hostile_server, whole
from support import ROOT

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS, write_sums
from graft.components.common.artifacts.servable import open_servable
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry

RECORD = json.loads((ROOT / "tests/fixtures/schema_2/export.json").read_text())
OLD, NEW = "saved_model", "serving/pets/1"
FILES = {"saved_model.pb", "variables/variables.index", "assets.extra/tf_serving_warmup_requests"}


def write_export(folder, saved_model):
    """Writes an Export of no model, and returns its version."""
    make_export(folder, 1)
    (folder / SUMS).unlink()
    (folder / NEW / "assets.extra").mkdir()
    (folder / NEW / "assets.extra/tf_serving_warmup_requests").write_bytes(b"warm")
    if saved_model == OLD:
        (folder / NEW).rename(folder / OLD)
        shutil.rmtree(folder / "serving")
    formats = {saved_model if path == OLD else path: told for path, told in RECORD["formats"].items()}
    (folder / "export.json").write_text(json.dumps(RECORD | {"formats": formats}))
    return write_sums(folder)


@pytest.fixture(params=[OLD, NEW])
def layout(request):
    return request.param


@pytest.fixture
def export(tmp_path, layout):
    write_export(tmp_path / "export", layout)
    return tmp_path / "export"


def served(uri):
    """Returns what a server is given: name, version, and its files' contents by path in the base path."""
    with open_servable(str(uri)) as servable:
        assert servable.classes == ("cats", "dogs")
        files = {path.relative_to(servable.folder).as_posix(): path.read_bytes() for path in found(servable.folder)}
        kept = servable.folder
    assert not kept.exists()
    return servable.name, servable.version, files


def found(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def refusal(uri):
    with pytest.raises(GraftError) as refused, open_servable(str(uri)):
        pass
    return str(refused.value)


def test_both_layouts_are_given_in_the_shape_that_servers_take(tmp_path, layout):
    version = write_export(tmp_path / "export", layout)
    name, told, files = served(tmp_path / "export")
    assert (name, told) == ("model" if layout == OLD else "pets", version)
    assert files == {f"1/{path}": (tmp_path / "export" / layout / path).read_bytes() for path in FILES}
    assert served(f"{tmp_path / 'export'}/") == (name, told, files)


def test_what_lies_beside_it_is_not_given(export, layout):
    expected = served(export)
    (export / "more.txt").write_text("more")
    (export / "2").mkdir()
    (export / layout / ".saved_model.pb.part").write_text("left by a killed upload")
    assert served(export) == expected


@pytest.mark.parametrize("path", ["variables/more", "assets.extra/more", "more"])
def test_a_file_within_it_that_no_sum_lists_is_refused(export, layout, path):
    (export / layout / path).write_text("more")
    assert f"{layout}/{path} is not in SHA256SUMS" in refusal(export)


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_changed_byte_is_refused(tmp_path, layout, path):
    write_export(tmp_path / "export", layout)
    file = tmp_path / "export" / layout / path
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    assert "has the SHA-256" in refusal(tmp_path / "export")


def test_a_missing_file_is_named(export, layout):
    (export / layout / "variables/variables.index").unlink()
    assert "variables.index doesn't exist" in refusal(export)


def test_changed_sums_of_a_version_are_refused(export, tmp_path):
    registry = Registry(str(tmp_path / "store"), "pets")
    version = registry.publish(export)
    folder = Path(registry.versions.uri(version))
    assert served(folder)[1] == version
    (folder / "more").write_text("more")
    (folder / SUMS).unlink()
    write_sums(folder)
    assert "not the one that names this version" in refusal(folder)


def test_what_is_no_export_and_what_has_no_saved_model(export, layout, tmp_path):
    (tmp_path / "model").mkdir()
    assert "model is no finished Export: no SHA256SUMS" in refusal(tmp_path / "model")
    for path in FILES:
        (export / layout / path).unlink()
    (export / SUMS).unlink()
    write_sums(export)
    assert "export has no SavedModel" in refusal(export)


def test_a_folder_on_a_web_server(export, layout, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    expected = served(export)
    with hostile_server() as server:
        for path in found(export):
            server.answers[f"/export/{path.relative_to(export).as_posix()}"] = whole(path.read_bytes())
        assert served(f"{server.url}/export") == expected
        # Where nothing can be listed, sums may name what looks like a path of this machine.
        strange, content = f"{layout}/{tmp_path}/strange", b"strange"
        sums = (export / SUMS).read_bytes() + f"{hashlib.sha256(content).hexdigest()}  {strange}\n".encode()
        server.answers |= {f"/export/{SUMS}": whole(sums), f"/export/{strange}": whole(content)}
        assert served(f"{server.url}/export")[2] == expected[2] | {f"1{tmp_path}/strange": content}
        assert not (tmp_path / "strange").exists()


@pytest.mark.slow
def test_a_version_in_a_bucket(bucket, export, layout, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    registry = Registry(bucket, "pets")
    uri = registry.versions.uri(registry.publish(export))
    assert served(uri) == served(export)
    storage.write(f"{uri}/{layout}/more", b"more")
    assert "more is not in SHA256SUMS" in refusal(uri)
    storage.delete(f"{uri}/{layout}/more")
    storage.write(f"{uri}/{layout}/saved_model.pb", os.urandom(100))
    assert "has the SHA-256" in refusal(uri)
