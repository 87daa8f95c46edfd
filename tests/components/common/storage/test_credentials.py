"""What stores say where the credentials or the storage class are the reason, told as such."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, UnauthorizedSSOTokenError
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gcsfs import GCSFileSystem
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from s3fs.core import S3FileSystem
from s3fs.errors import translate_boto_error
from web import in_a_thread, web_server

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.storage.troubles import retries


def refusal(uri, error):
    with pytest.raises(GraftError) as refused, storage.access(uri):
        raise error
    return refused.value


def s3_error(code):
    return translate_boto_error(ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "there are no credentials for S3 (Unable to locate credentials): set AWS_ACCESS_KEY_ID"),
        (UnauthorizedSSOTokenError(), "there are no credentials for S3 (The SSO session"),
        (s3_error("ExpiredToken"), "S3 doesn't accept the credentials (ExpiredToken): log in again."),
        (s3_error("SignatureDoesNotMatch"), "correct AWS_SECRET_ACCESS_KEY."),
        (s3_error("RequestTimeTooSkewed"), "set this machine's clock."),
        (
            RefreshError("invalid_grant: Token has been expired or revoked.", {"error": "invalid_grant"}),
            "the credentials any more (invalid_grant: Token has been expired or revoked): run gcloud auth application-default",
        ),
        (DefaultCredentialsError("long story"), "no credentials for Google Cloud: run gcloud auth application-default"),
        (OSError("Anonymous caller does not have storage.objects.list access"), "no credentials for Google Cloud"),
    ],
    ids=str,
)
def test_credentials_are_the_reason_and_no_single_file(error, said):
    refused = refusal("s3://bucket/a.jpg", error)
    assert said in str(refused) and not isinstance(refused, storage.FileError)


def test_a_missing_right_is_a_missing_right():
    assert "grant it s3:GetObject and s3:ListBucket" in str(refusal("s3://bucket/a.jpg", s3_error("AccessDenied")))


def test_an_archived_object_is_the_only_one_at_fault():
    refused = refusal("s3://bucket/a.jpg", s3_error("InvalidObjectState"))
    assert isinstance(refused, storage.FileError) and "restore it" in refused.reason and "grant" not in str(refused)


@pytest.fixture
def service_account(tmp_path, monkeypatch):
    """Makes this process one of a service account whose tokens come from an address."""

    def turn_on(token_uri):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {"type": "service_account", "client_email": "sa@x.iam", "private_key": pem, "token_uri": token_uri}
        (tmp_path / "account.json").write_text(json.dumps(account))

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(retries, "REQUEST_SECONDS", 1.0)
    GCSFileSystem.clear_instance_cache()
    yield turn_on
    GCSFileSystem.clear_instance_cache()


def test_a_service_account_that_is_gone_is_told_at_once(service_account):
    gone = {"error": "invalid_grant", "error_description": "Invalid grant: account not found"}
    with web_server(lambda method, path, body: (400, gone)) as google:
        service_account(google.url)
        with pytest.raises(
            GraftError, match=r"any more \(invalid_grant: Invalid grant: account not found\): run gcloud"
        ):
            storage.stat("gs://bucket/photos.zip")


@pytest.mark.parametrize("said", ["Invalid Credentials", "Login Required"], ids=["tried by gcsfs", "not tried"])
def test_a_token_that_is_refused_is_renewed(said, service_account, monkeypatch):
    given = []

    def answer(method, path, body):
        if method == "POST":
            given.append(f"token-{len(given)}")
            return 200, {"access_token": given[-1], "expires_in": 3600}
        if web.asked[-1][2]["Authorization"] == "Bearer token-0":  # good for an hour by our clock, and revoked
            return 401, {"error": {"code": 401, "message": said}}
        return 200, {"name": "photos.zip", "bucket": "bucket", "size": "5", "updated": "2026-01-05T03:00:00.000Z"}

    with web_server(answer) as web:
        service_account(web.url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", web.url)
        assert storage.stat("gs://bucket/photos.zip").size == 5
    assert given == ["token-0", "token-1"]


def test_a_stalled_server_while_no_token_comes_is_trouble_that_passes():
    class Good:
        valid = True

        def refresh(self, request):
            raise RefreshError("metadata server") from TransportError("metadata server")

    class Stalled:
        protocol, credentials = "gs", SimpleNamespace(credentials=Good())

        def info(self, path):
            raise TimeoutError(path)

    with pytest.raises(TimeoutError):
        retries.request(Stalled(), "info", "bucket/photos.zip")
    Good.valid = False
    with pytest.raises(RefreshError):
        retries.request(Stalled(), "info", "bucket/photos.zip")


@pytest.fixture
def refusing(request, monkeypatch, tmp_path):
    """URI of an object of an S3 that refuses all with a reason; as in the real one, answers to HEAD have no body that could name it."""
    status, code = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        S3FileSystem.clear_instance_cache()
        yield "s3://bucket/photos.zip"
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        ((400, "ExpiredToken"), "S3 doesn't accept the credentials (ExpiredToken): log in again."),
        (
            (403, "InvalidAccessKeyId"),
            "S3 doesn't accept the credentials (InvalidAccessKeyId): correct AWS_ACCESS_KEY_ID.",
        ),
        ((403, "AccessDenied"), "can't be read by this account: grant it s3:GetObject and s3:ListBucket."),
        ((400, "InvalidRequest"), "can't be reached: OSError [Errno 22] Bad Request."),
    ],
    indirect=["refusing"],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_s3_is_asked_for_the_reason_that_it_does_not_give_at_first(refusing, said, tmp_path):
    for ask in (storage.stat, lambda uri: storage.fetch(uri, tmp_path, keep=False)):
        with pytest.raises(GraftError) as refused:
            ask(refusing)
        assert str(refused.value).startswith(refusing) and str(refused.value).endswith(said)
