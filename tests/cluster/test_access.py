"""Who the user is to a backend, and that nobody else learns of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_kubeflow import FakeKubeflow
from fake_vertex import FakeVertex
from profiles import write_profile
from web import web_server

from graft.pipelines.cluster.kubeflow import client as kubeflow_client
from graft.pipelines.cluster.kubeflow import runs as kubeflow_runs

pytestmark = pytest.mark.slow

SECRET = "S3CR3T-T0K3N"
SOURCE = ["--source", "gs://pictures/photos.zip"]


@pytest.fixture
def locked(tmp_path):
    """A Kubeflow that wants a token, and how to reach it."""
    with FakeKubeflow(token=SECRET) as server:
        profile = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url)
        yield server, ["--target", "kubeflow", "--profile", profile, *SOURCE]


def test_a_token_by_option_environment_or_file(graft, locked, monkeypatch, tmp_path):
    _, options = locked
    assert graft("submit", *options, "--token", SECRET).code == 0
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert graft("submit", *options, "--token-file", tmp_path / "token").code == 0
    monkeypatch.setenv("GRAFT_TOKEN", SECRET)
    assert graft("submit", *options).code == 0
    ended = graft("submit", *options, "--token-file", tmp_path / "token")
    assert (ended.code, "--token and --token-file are given (or set in the environment)" in ended.said) == (1, True)


def test_a_token_that_is_renewed_in_its_file_is_used(graft, locked, tmp_path):
    server, options = locked
    token = tmp_path / "token"
    token.write_text("old")
    server.token = "old"
    server.script(("RUNNING", None), ("RUNNING", None), ("SUCCEEDED", None))

    def renew(run):
        token.write_text(SECRET)
        server.token = SECRET

    server.on_create = renew
    assert graft("submit", *options, "--token-file", token, "--wait").code == 0


def test_a_cookie_by_option_environment_or_file(graft, tmp_path, monkeypatch):
    with FakeKubeflow(cookie=f"authservice_session={SECRET}") as server:
        profile = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url)
        options = ["--target", "kubeflow", "--profile", profile, *SOURCE]
        assert graft("submit", *options, "--cookie", f"authservice_session={SECRET}").code == 0
        (tmp_path / "cookie").write_text(f"authservice_session={SECRET}\n")
        assert graft("submit", *options, "--cookie-file", tmp_path / "cookie").code == 0
        assert graft("submit", *options).code == 1
        monkeypatch.setenv("GRAFT_COOKIE", f"authservice_session={SECRET}")
        assert graft("submit", *options).code == 0


def test_without_or_with_other_credentials_the_remedy_is_named(graft, locked, tmp_path):
    _, options = locked
    ended = graft("submit", *options)
    assert (ended.code, "HTTP 401" in ended.said, "pass a --token-file or --cookie-file" in ended.said) == (
        1,
        True,
        True,
    )
    ended = graft("submit", *options, "--token", "another-token")
    assert (ended.code, "HTTP 403" in ended.said, "ask for the right" in ended.said) == (1, True, True)
    assert "another-token" not in ended.said
    for content in (None, b"", b"two\nlines", b"\xff"):
        if content is not None:
            (tmp_path / "token").write_bytes(content)
        ended = graft("submit", *options, "--token-file", tmp_path / "token")
        assert (ended.code, str(tmp_path / "token") in ended.said) == (1, True)


def test_in_a_pod_the_pod_s_own_account_is_used(graft, locked, monkeypatch, tmp_path):
    server, options = locked
    (tmp_path / "pod-token").write_text(SECRET)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "pod-token"))
    monkeypatch.setattr(kubeflow_client, "IN_CLUSTER", server.url)
    Path(options[3]).write_text("store: gs://b/store\n")
    ended = graft("submit", *options)
    assert ended.code == 0, ended.said


def test_in_a_pod_that_is_given_no_token_nobody_is_asked_for_one(graft, monkeypatch, tmp_path):
    """As in an installation for one user. The link leads to the UI, or nowhere: the API's own address has no pages."""
    with FakeKubeflow() as server:
        profile = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "no-token"))
        for module in (kubeflow_client, kubeflow_runs):
            monkeypatch.setattr(module, "IN_CLUSTER", server.url)
        for text, link in (
            ("", ""),
            ("kubeflow: {ui: https://kubeflow.example/}\n", "https://kubeflow.example/#/runs/details/"),
        ):
            profile.write_text(text)
            ended = graft("submit", "--target", "kubeflow", "--profile", profile, *SOURCE)
            assert ended.code == 0, ended.said
            run, *shown = ended.out.split()
            assert shown == ([f"{link}{run}"] if link else [])
            assert graft("status", run, "--target", "kubeflow", "--profile", profile).out.splitlines()[-1] == (
                f"pending: {link}{run}" if link else "pending"
            )
        assert not [headers for _, _, headers, _ in server.asked if "Authorization" in headers]


def test_without_an_endpoint_it_is_asked_for(graft, locked, monkeypatch):
    server, options = locked
    Path(options[3]).write_text("store: gs://b/store\n")
    ended = graft("submit", *options)
    assert (ended.code, "Where is Kubeflow Pipelines?" in ended.said) == (1, True)
    assert "write it with https://" in graft("submit", *options, "--endpoint", "kubeflow.example").said
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
    assert graft("submit", *options, "--token", SECRET).code == 0


@pytest.fixture
def google_key(tmp_path, monkeypatch):
    """A service account's key, whose tokens are given out by a server here."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.auth import jwt

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "graft@p", "private_key": pem, "private_key_id": "1"}
    from google.auth.crypt import RSASigner

    identity = jwt.encode(RSASigner.from_string(pem), {"exp": 4_000_000_000}).decode()
    with web_server(lambda *request: (200, {"access_token": SECRET, "id_token": identity, "expires_in": 3600})) as web:
        account["token_uri"] = f"{web.url}/token"
        (tmp_path / "key.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        yield web, identity


def test_google_s_default_credentials(graft, locked, google_key):
    _, options = locked
    ended = graft("submit", *options, "--google")
    assert ended.code == 0, ended.said
    assert len(google_key[0].asked) == 1, "one token does for all requests"


def test_the_identity_aware_proxy(graft, locked, google_key):
    server, options = locked
    server.token = google_key[1]
    ended = graft("submit", *options, "--iap-client-id", "client.apps.example")
    assert ended.code == 0, ended.said
    assert b"assertion=" in google_key[0].asked[0][3]


def test_no_google_credentials(graft, locked, monkeypatch, tmp_path):
    _, options = locked
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert "Google gives no access token" in graft("submit", *options, "--google").said
    assert "Google gives no identity token" in graft("submit", *options, "--iap-client-id", "c").said


def test_vertex_takes_a_token_or_google_s_default_credentials(graft, tmp_path, monkeypatch):
    with FakeVertex(token=SECRET) as server:
        options = ["--target", "vertex", "--profile", write_profile(tmp_path / "v.yaml", "vertex", server.url), *SOURCE]
        assert graft("submit", *options, "--token", SECRET).code == 0
        (tmp_path / "token").write_text(SECRET)
        assert graft("submit", *options, "--token-file", tmp_path / "token").code == 0
        ended = graft("submit", *options, "--token", "another-token")
        assert (ended.code, "HTTP 403" in ended.said, "another-token" in ended.said) == (1, True, False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        ended = graft("submit", *options)
        assert (ended.code, "gcloud auth application-default login" in ended.said) == (1, True), ended.said


def test_vertex_s_client_is_loaded_for_vertex_alone_and_asked_for_where_it_is_missing(graft, tmp_path, monkeypatch):
    code = """
import sys
from graft.pipelines.cluster import compiling, scheduling, submitting, watching
from graft.pipelines.cluster.kubeflow import pipelines
assert not [name for name in sys.modules if name.startswith("google.cloud.aiplatform")]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform_v1", None)
    monkeypatch.delattr("google.cloud.aiplatform_v1", raising=False)
    for module in ("client", "pipelines"):
        monkeypatch.delitem(sys.modules, f"graft.pipelines.cluster.vertex.{module}", raising=False)
    profile = write_profile(tmp_path / "v.yaml", "vertex", "http://127.0.0.1:9")
    ended = graft("submit", "--target", "vertex", "--profile", profile, *SOURCE, "--token", "t")
    assert (ended.code, "pip install 'graft[vertex]'" in ended.said) == (1, True), ended.said


def test_vertex_needs_to_know_where(graft, tmp_path):
    (tmp_path / "v.yaml").write_text("store: gs://b/s\n")
    options = ["--target", "vertex", "--profile", tmp_path / "v.yaml", *SOURCE, "--token", "t"]
    assert "vertex.project is missing" in graft("submit", *options).said
    (tmp_path / "v.yaml").write_text("vertex: {project: p, location: l}\n")
    assert "pipeline_root is missing" in graft("submit", *options).said


def test_several_users_need_a_namespace(graft, tmp_path):
    with FakeKubeflow(multi_user=True) as server:
        profile = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url)
        options = ["--target", "kubeflow", "--profile", profile, *SOURCE]
        ended = graft("submit", *options)
        assert (ended.code, "--namespace" in ended.said) == (1, True)
        assert graft("submit", *options, "--namespace", "team").code == 0
        assert {entry["namespace"] for entry in server.experiments.values()} == {"team"}
        assert {entry["namespace"] for entry in server.pipelines.values()} == {"team"}


def test_who_may_not_upload_is_told_which_right_is_missing(graft, tmp_path):
    with FakeKubeflow(multi_user=True) as server:
        server.may_upload = False
        profile = write_profile(tmp_path / "profile.yaml", "kubeflow", server.url)
        ended = graft("submit", "--target", "kubeflow", "--profile", profile, *SOURCE, "--namespace", "team")
        assert (ended.code, "HTTP 400" in ended.said) == (1, True)
        assert "ask for the right to do that in the namespace" in ended.said
