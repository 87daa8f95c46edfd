"""Sources tell, without reading a file, what changes when its content does; an archive's SHA-256 is checked."""

import os

import pytest
from pictures import encoded, noise, pack, refusal, split_files, write_folder

from graft.components.common.config import configure
from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.opening import open_files

PATH = "train/cats/0.jpg"


def versions(uri):
    with open_files(str(uri)) as source:
        return {path: source.version(path) for path in source.paths()}


def test_versions_of_a_folder(tmp_path):
    source = write_folder(tmp_path / "source", split_files())
    (source / "broken.jpg").symlink_to("nowhere")
    before = versions(source)
    assert before["broken.jpg"] == "" and before == versions(source)
    status = (source / PATH).stat()
    assert before[PATH].startswith(f"{status.st_size}-{status.st_mtime_ns}")
    os.utime(source / PATH, ns=(0, status.st_mtime_ns + 1))
    assert {path for path, version in versions(source).items() if version != before[path]} == {PATH}


def test_versions_in_a_zip_follow_the_content_alone(tmp_path):
    files = split_files()
    before = versions(pack(files, tmp_path / "a.zip"))
    assert all(before.values()) and versions(pack(dict(reversed(files.items())), tmp_path / "b.zip")) == before
    after = versions(pack(files | {PATH: encoded(noise(99))}, tmp_path / "c.zip"))
    assert {path for path, version in after.items() if version != before[path]} == {PATH}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_tar_tells_no_versions(tmp_path, name):
    assert set(versions(pack(split_files(), tmp_path / name)).values()) == {""}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_an_archive_is_checked_against_its_sha256(tmp_path, name):
    archive = pack(split_files(), tmp_path / name)
    digest = sha256_file(archive)
    assert ingest(str(archive), tmp_path / "dataset", IngestConfig(sha256=digest)).excluded == 0
    sentence = refusal(archive, tmp_path / "other", IngestConfig(sha256="0" * 64))
    assert f"{name} has the SHA-256 {digest}, not {'0' * 64}" in sentence


def test_a_folder_has_no_sha256(tmp_path):
    source = write_folder(tmp_path / "source", split_files())
    assert "is a folder, so it has no SHA-256" in refusal(source, tmp_path / "x", IngestConfig(sha256="0" * 64))


@pytest.mark.parametrize("sha256", ["0" * 63, "g" * 64, "sha256:" + "0" * 64])
def test_what_is_no_sha256_is_refused_at_once(sha256):
    with pytest.raises(GraftError, match="64 hex digits"):
        configure("ingest", IngestConfig, {"sha256": sha256})
    assert configure("ingest", IngestConfig, {"sha256": "aB" * 32}).sha256 == "aB" * 32
