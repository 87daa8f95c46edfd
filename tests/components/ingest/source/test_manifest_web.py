"""A remote manifest has no say over the network of the machine that reads it, and none names a user."""

import fsspec
import pytest
from hostile_web import hostile_server, whole

from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.manifests.manifest import open_manifest
from graft.components.resolve.fingerprint import fingerprint


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def local(folder, text):
    (folder / "m.csv").write_text(text)
    return str(folder / "m.csv")


def test_a_remote_manifest_asks_no_private_addresses(tmp_path):
    with hostile_server() as inside, hostile_server() as server:
        secret = f"{inside.url}/secret"
        text = f"uri,label\nnear.jpg,a\n{secret},a\n{inside.url}/other,b\n"
        server.answers["/m.csv"] = whole(text.encode())
        fsspec.filesystem("memory").pipe("memory://test-manifest-web/m.csv", text.encode())
        by_web, by_bucket = f"{server.url}/m.csv", "memory://test-manifest-web/m.csv"
        for uri in (by_web, by_bucket):
            images, _ = open_manifest(uri)
            with pytest.raises(UnreadableFileError, match="leads to 127.0.0.1, which is no public address"):
                images.read(secret)
            assert images.version(secret) == "" and fingerprint(uri)
        with pytest.raises(GraftError, match="no public address"):
            ingest(by_web, tmp_path / "dataset")
        assert inside.asked == []
        assert open_manifest(by_web)[0].read("near.jpg") == b"here"  # beside it, on the server that the operator named
        allowed = IngestConfig(allow_private_addresses=True).reach
        for images, _ in (open_manifest(local(tmp_path, text)), open_manifest(by_web, reach=allowed)):
            inside.asked.clear()
            assert images.read(secret) == b"here" and inside.asked == ["/secret"]


@pytest.mark.parametrize("uri", ["https://ann:secret@host/a.jpg", "s3://key:secret@b/a.jpg", "gs://ann@b/a.jpg"])
def test_user_names_are_refused(tmp_path, uri):
    with pytest.raises(GraftError, match=r"line 2: uri holds a user name or password, .*: leave it out\.") as refused:
        open_manifest(local(tmp_path, f"uri,label\n{uri},a\n"))
    assert "secret" not in str(refused.value)
