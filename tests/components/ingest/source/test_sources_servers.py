"""The same images are the same dataset from any server, and whatever happens to it in mid-transfer."""

import ipaddress
import logging
import os
import ssl
import sys
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import fsspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from file_server import file_server
from pictures import encoded, noise, pack, record, split_files, write_folder
from support import ROOT, free_port, start

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage import sha256_file
from graft.components.common.storage.places import locate
from graft.components.common.storage.troubles import retries
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.opening import open_files

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graft" / "downloads"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """An archive of some megabytes, and the digest of its dataset."""
    folder = tmp_path_factory.mktemp("pictures")
    files = split_files() | {f"train/cats/big-{seed}.png": encoded(noise(seed, (600, 500)), "PNG") for seed in range(6)}
    archive = pack(files, folder / "photos.zip")
    write_folder(folder / "photos", files)
    return archive, ingest(str(archive), folder / "dataset").digest


def kept(cache):
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.name != "lock")


def test_an_archive_in_a_bucket(tmp_path, any_bucket, pictures, cache, caplog):
    archive, digest = pictures
    uri = f"{any_bucket}/some/photos.zip"
    storage.put(archive, uri)
    caplog.set_level(logging.INFO, logger="graft")
    for run in ("first", "second"):
        assert ingest(uri, tmp_path / run, IngestConfig(sha256=sha256_file(archive))).digest == digest
    assert caplog.text.count("is in the cache") == 1 and kept(cache) == ["photos.zip", "photos.zip.sha256"]
    with pytest.raises(GraftError, match="has the SHA-256"):
        ingest(uri, tmp_path / "third", IngestConfig(sha256="0" * 64))
    assert not (tmp_path / "third").exists()


def test_a_folder_in_a_bucket_as_it_is_now(tmp_path, any_bucket, pictures):
    archive, digest = pictures
    fs, path = fsspec.core.url_to_fs(f"{any_bucket}/photos")
    fs.put(f"{archive.parent}/photos", path, recursive=True)
    fs.pipe_file(f"{path}/train/cats/monday_$folder$", b"")
    marks = [path + mark for mark in ("/", "/train/", "/train/cats/", "/train/birds/")]
    marks = marks if any_bucket.startswith("s3") else []  # the other test server lists none
    for mark in marks:
        fs.pipe_file(mark, b"")
    assert ingest(f"{any_bucket}/photos", tmp_path / "first").digest == digest
    assert [one.partition(":")[0] for one in record(tmp_path / "first")["warnings"]] == [
        "No images are in train/birds"
    ] * bool(marks)
    with open_files(f"{any_bucket}/photos") as source:
        before = {path: source.version(path) for path in source.paths() if path.endswith("g")}
    assert len(before) == 18 and all(before.values()) and len(set(before.values())) == 18
    # Another client adds one, changes one and empties one: what this one has listed before must not count.
    fs.find(path, detail=True)
    other = type(fs)(skip_instance_cache=True)
    other.pipe_file(f"{path}/train/cats/new.jpg", encoded(noise(77)))
    other.pipe_file(f"{path}/train/dogs/0.jpg", encoded(noise(78)))
    other.pipe_file(f"{path}/train/dogs/1.jpg", b"")
    with open_files(f"{any_bucket}/photos") as source:
        after = {path: source.version(path) for path in source.paths() if path.endswith("g")}
        assert source.read("train/dogs/0.jpg") == encoded(noise(78)) and source.read("train/dogs/1.jpg") == b""
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {"train/cats/new.jpg", "train/dogs/0.jpg", "train/dogs/1.jpg"}
    with pytest.raises(GraftError, match="is a folder, so it has no SHA-256"):
        ingest(f"{any_bucket}/photos", tmp_path / "second", IngestConfig(sha256="0" * 64))


@pytest.mark.parametrize("options", [{}, {"ranges": False}, {"etag": "none"}], ids=str)
def test_an_archive_on_a_web_server(tmp_path, pictures, options):
    archive, digest = pictures
    with file_server(archive.read_bytes(), **options) as server:
        assert ingest(server.url, tmp_path / "dataset").digest == digest


def test_an_archive_by_the_name_of_what_it_unpacks_to(tmp_path, pictures):
    archive = pack(split_files(), tmp_path / "photos.tar.gz")
    digest = ingest(str(archive), tmp_path / "here").digest
    with file_server(archive.read_bytes(), etag="none") as server:
        assert ingest(server.url.replace("photos.zip", "unpacked.tar"), tmp_path / "there").digest == digest


def test_a_big_file_goes_to_a_bucket_and_back(tmp_path, any_bucket):
    content = os.urandom(20_000_000)
    (tmp_path / "big").write_bytes(content)
    for _ in range(2):
        storage.put(tmp_path / "big", f"{any_bucket}/big")
    fetched = storage.fetch(f"{any_bucket}/big", tmp_path)
    assert fetched.read_bytes() == content
    content = content[:9_000_000][::-1]
    (tmp_path / "big").write_bytes(content)
    storage.put(tmp_path / "big", f"{any_bucket}/big")
    assert storage.fetch(f"{any_bucket}/big", tmp_path).read_bytes() == content
    assert fetched.exists(), "this process may still read it"


def test_an_object_is_taken_as_it_is_now(tmp_path, any_bucket):
    uri = f"{any_bucket}/file"
    storage.write(uri, b"first")
    fs, path = locate(uri).fs, locate(uri).path
    fs.ls(any_bucket, detail=True)
    type(fs)(skip_instance_cache=True).pipe_file(path, b"second one")
    assert storage.stat(uri).size == 10
    fs.ls(any_bucket, detail=True)
    type(fs)(skip_instance_cache=True).pipe_file(path, b"third, and longer")
    assert storage.fetch(uri, tmp_path).read_bytes() == b"third, and longer"


def test_a_download_from_a_bucket_goes_on(tmp_path, any_bucket, monkeypatch, cache):
    content = os.urandom(10_000_000)
    (tmp_path / "big").write_bytes(content)
    storage.put(tmp_path / "big", f"{any_bucket}/big")
    fs = locate(any_bucket).fs
    monkeypatch.setattr(retries, "PATIENCE", 0.5)
    ranges, read = [], fs.cat_file

    def breaks(path, start, end, **options):
        ranges.append(start)
        if len(ranges) > 1:
            raise ConnectionResetError("gone")
        return read(path, start=start, end=end, **options)

    with monkeypatch.context() as broken:
        broken.setattr(fs, "cat_file", breaks)
        with pytest.raises(GraftError, match="can't be reached: ConnectionResetError gone"):
            storage.fetch(f"{any_bucket}/big", tmp_path)
    assert kept(cache) == ["big.part"]

    def counted(path, start, end, **options):
        ranges.append(start)
        return read(path, start=start, end=end, **options)

    ranges.clear()
    monkeypatch.setattr(fs, "cat_file", counted)
    assert storage.fetch(f"{any_bucket}/big", tmp_path).read_bytes() == content
    assert ranges[0] == 4 * 2**20


def test_an_object_that_changes_while_it_is_read_is_never_stitched(tmp_path, any_bucket, monkeypatch):
    old, new = os.urandom(10_000_000), os.urandom(10_000_000)
    fs = locate(any_bucket).fs
    storage.write(f"{any_bucket}/big", old)
    read, asked = fs.cat_file, []

    def changes(path, **options):
        asked.append(options)
        if len(asked) == 2:
            storage.write(f"{any_bucket}/big", new)
        return read(path, **options)

    monkeypatch.setattr(fs, "cat_file", changes)
    assert storage.fetch(f"{any_bucket}/big", tmp_path).read_bytes() == new


def test_damage_on_the_way_is_found(tmp_path, any_bucket, monkeypatch):
    content = os.urandom(1_000_000)
    storage.write(f"{any_bucket}/file", content)
    fs = locate(any_bucket).fs
    read, asked = fs.cat_file, []

    def damages(path, **options):
        asked.append(path)
        found = bytearray(read(path, **options))
        found[1000] ^= len(asked) < 3
        return bytes(found)

    monkeypatch.setattr(fs, "cat_file", damages)
    assert storage.fetch(f"{any_bucket}/file", tmp_path).read_bytes() == content
    assert len(asked) == 3


def test_an_object_that_gcs_would_unpack_is_refused(tmp_path, bucket, pictures):
    from google.cloud.storage import Client

    with Client() as client:
        blob = client.bucket(bucket.removeprefix("gs://")).blob("photos.tar.gz")
        blob.content_encoding = "gzip"
        blob.upload_from_filename(pictures[0])
    with pytest.raises(GraftError, match="content encoding gzip"):
        ingest(f"{bucket}/photos.tar.gz", tmp_path / "dataset")


def test_https_is_trusted_by_its_certificate_alone(tmp_path, pictures, monkeypatch):
    archive, digest = pictures
    certificate = self_signed(tmp_path)
    with file_server(archive.read_bytes()) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http://", "https://")
        before = time.monotonic()
        with pytest.raises(GraftError, match="certificate verify failed"):
            ingest(url, tmp_path / "first")
        assert time.monotonic() - before < retries.PATIENCE / 2, "it is not tried again"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert ingest(url, tmp_path / "second").digest == digest
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert storage.read(url) == archive.read_bytes()


def self_signed(folder):
    """Makes a certificate for 127.0.0.1, in one file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "certificate.pem"
    path.write_bytes(signed.public_bytes(pem) + key.private_bytes(pem, private, serialization.NoEncryption()))
    return path


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_missing_object_and_a_missing_server(tmp_path, request, monkeypatch, caplog, scheme):
    bucket = request.getfixturevalue("bucket" if scheme == "gs" else "s3_bucket")
    with pytest.raises(GraftError, match="doesn't exist"):
        ingest(f"{bucket}/none.zip", tmp_path / "dataset")
    with pytest.raises(GraftError, match="no-such-bucket"):
        storage.put(
            ROOT / "pyproject.toml", f"{scheme}://no-such-bucket-{uuid.uuid4().hex}/file"
        ) if scheme == "gs" else storage.fetch(f"{scheme}://no-such-bucket/file", tmp_path)
    monkeypatch.setattr(retries, "PATIENCE", 3.0)
    monkeypatch.setattr(retries, "REQUEST_SECONDS", 0.5)
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST" if scheme == "gs" else "AWS_ENDPOINT_URL", address)
    fsspec.filesystem(scheme).clear_instance_cache()
    with pytest.raises(GraftError, match="can't be reached"):
        ingest(f"{bucket}/none.zip", tmp_path / "dataset")
    assert "trying again" in caplog.text


@pytest.fixture
def served(pictures):
    """Address of the archive, and what starts its server: one that is killed once it has sent a share of the file, or one that is not."""
    archive, port, started = pictures[0], free_port(), []

    def begin(*shares):
        command = [sys.executable, ROOT / "tests/file_server.py", archive, port]
        command += [int(share * archive.stat().st_size) for share in shares]
        started.append(start([*map(str, command)], port))
        return started[-1]

    yield f"http://127.0.0.1:{port}/photos.zip", begin
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_server_killed_in_mid_transfer_that_comes_back(tmp_path, pictures, served, share, caplog):
    address, begin = served
    killed = begin(share)
    again = threading.Thread(target=lambda: killed.wait() and begin())
    again.start()
    try:
        assert ingest(address, tmp_path / "dataset").digest == pictures[1]
    finally:
        killed.kill()
        again.join()
    assert "going on" in caplog.text or "trying again" in caplog.text


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_server_killed_in_mid_transfer_that_stays_away(tmp_path, pictures, served, share, monkeypatch):
    address, begin = served
    begin(share)
    with monkeypatch.context() as patch, pytest.raises(GraftError, match=r"photos\.zip can't be reached"):
        patch.setattr(retries, "PATIENCE", 0.8)
        ingest(address, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
    begin()  # the next run goes on with what this one left
    assert ingest(address, tmp_path / "dataset").digest == pictures[1]
