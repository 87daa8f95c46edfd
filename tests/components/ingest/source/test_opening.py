"""Sources tell, without reading a file, what changes when its content does; an archive's SHA-256 is checked."""

import os

import fsspec
import pytest
from pictures import encoded, noise, pack, record, refusal, split_files, write_folder

from graft.components.common.config import configure
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.common.storage import sha256_file
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.opening import open_files, open_source
from graft.components.resolve.fingerprint import fingerprint

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


def test_what_graft_itself_wrote_into_a_source_is_no_part_of_it(tmp_path):
    source = write_folder(tmp_path / "photos", {f"here/{path}": content for path, content in split_files().items()})
    files = {"shards/x.tfrecord": b"shard", "models/model/runs/20260101-000000-00ff/ingest.json": b"{}"}
    written = {
        **{f"runs/20260101-000000-00ff/kfp/{path}": content for path, content in files.items()},
        **{f"runs/store/{path}": content for path, content in files.items()},
        **{f"old store/{path}": content for path, content in files.items()},
        **{f"store/{path}": content for path, content in {"weights/x.h5": b"weights"}.items()},
    }
    before = fingerprint(str(source))
    write_folder(source, written)
    run = Run(str(source / "store"), run_id="x")
    reference = ingest(f"{source}/here", tmp_path / "reference")
    result = ingest(str(source), source / "dataset", run=run)
    assert result.digest == reference.digest
    again = ingest(str(source), source / "other", run=run)
    assert (again.digest, again.excluded) == (reference.digest, 0)
    assert record(source / "other")["ignored"] == ["dataset/", "old store/", "other/", "runs/", "store/"]
    assert fingerprint(str(source), [run.store]) == before


def test_files_that_only_look_like_grafts_are_the_sources(tmp_path):
    called_like_a_run = {"train/cats/20240101-120000-0001/b.png": b"an image"}
    files = split_files() | called_like_a_run | {"train/dataset.json": b"{}", "train/cats/training.json": b"not ours"}
    write_folder(tmp_path, files)
    with open_source(str(tmp_path), IngestConfig()) as (_, layout):
        assert len(layout.images) == 13 and layout.ignored == ["train/dataset.json"]


@pytest.mark.parametrize(
    "leaf", ["@eaDir/x.jpg", ".git/HEAD", "lost+found/x.jpg", "train/cats/.DS_Store", "train/cats/0.xmp", "log"]
)
def test_what_is_passed_over_is_no_news(tmp_path, leaf):
    source = write_folder(tmp_path / "source", split_files())
    before = fingerprint(str(source))
    assert fingerprint(str(write_folder(source, {leaf: b"x"}))) == before


def test_a_store_in_a_bucket_that_is_the_source(tmp_path):
    uri = f"memory://{tmp_path.name}"
    memory = fsspec.filesystem("memory")
    for path, content in (split_files() | {"store/train/cats/x.jpg": b"no image", "store/x": b""}).items():
        memory.pipe(f"{uri}/{path}", content)
    with open_source(uri, IngestConfig(), [f"{uri}/store"]) as (_, layout):
        assert len(layout.images) == 12 and layout.ignored == ["store/"]
    before = fingerprint(uri, [f"{uri}/store"])
    memory.pipe(f"{uri}/store/y", b"")
    assert fingerprint(uri, [f"{uri}/store/"]) == before


@pytest.mark.parametrize(
    "kind, start",
    [
        ("7-Zip", b"7z\xbc\xaf\x27\x1c"),
        ("RAR", b"Rar!\x1a\x07"),
        ("bzip2", b"BZh91AY"),
        ("multi-volume zip", b"PK\7\x08PK"),
    ],
)
def test_other_archives_are_named(tmp_path, kind, start):
    archive = tmp_path / "photos"
    archive.write_bytes(start + bytes(2000))
    assert f"is a {kind} archive" in refusal(archive, tmp_path / "dataset")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("photos.zip", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "run `git lfs pull`"),
        ("photos.zip", b"<!DOCTYPE html><title>Sign in</title>", "is a web page"),
        ("list.tsv", b"uri\tlabel\na\tb\n", "if it is a manifest, save it as .csv or .jsonl"),
        ("list.JSON", b"[]", "if it is a manifest, save it as .csv or .jsonl"),
    ],
)
def test_what_is_no_archive_at_all_is_told_with_a_remedy(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    assert told in refusal(tmp_path / name, tmp_path / "dataset")
