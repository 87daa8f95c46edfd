"""No secret turns up where others could read it."""

import fsspec
import pytest
from fake_kubeflow import FakeKubeflow
from fake_vertex import FakeVertex
from profiles import write_profile
from run_records import ENDINGS, leave_records

from graft.components.common.runs.run import Run

pytestmark = pytest.mark.slow

SECRET = "S3CR3T-T0K3N"
SOURCE = ["--source", "gs://pictures/photos.zip"]


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_secrets_given_anywhere_turn_up_nowhere(graft, tmp_path, target, monkeypatch, bucket):
    """Recognisable secrets wherever one can be given; then everything that was written, sent and said is searched."""
    kind = FakeKubeflow if target == "kubeflow" else FakeVertex
    webhook = f"https://hooks.example/{SECRET}-hook"
    monkeypatch.setenv("GRAFT_WEBHOOK", webhook)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-key")
    with kind(token=SECRET) as server:
        notification = (
            "notification: {secret: {name: hook, key: url}}\n"
            if target == "kubeflow"
            else "notification: {secret_manager: projects/p/secrets/hook/versions/latest}\n"
        )
        profile = write_profile(tmp_path / "profile.yaml", target, server.url, notification)
        (tmp_path / "token").write_text(SECRET)
        options = ["--target", target, "--profile", profile]
        access = ["--token-file", tmp_path / "token"]

        def on_create(run):
            identifier = run["name"].rpartition("/")[2] if target == "vertex" else run["run_id"]
            leave_records(Run(f"{bucket}/store", "pets", identifier), **ENDINGS["success"])

        server.on_create = on_create
        server.script(("RUNNING", {"resolve": "RUNNING"}), ("SUCCEEDED", {"resolve": "SUCCEEDED"}))
        store = ["--store", f"{bucket}/store", "--name", "pets"]
        said = [
            graft("compile", *options, "--output", tmp_path / "out" / "pipeline.yaml"),
            graft("submit", *options, *access, *SOURCE, *store, "--wait"),
            graft("submit", *options, *access, "--source", f"https://me:{SECRET}@host/a.zip"),
            graft("submit", *options, *access, "--source", f"https://host/a.zip?sig={SECRET}"),
            graft("submit", *options, *SOURCE, "--token", f"{SECRET}-other", "--debug"),
            graft("schedules", "create", "weekly", *options, *access, *SOURCE, *store, "--cron", "0 3 * * 1"),
            graft("schedules", "list", *options, *access),
            graft("schedules", "run-now", "weekly", *options, *access),
        ]
        assert [ended.code for ended in said] == [0, 0, 1, 1, 1, 0, 0, 0], [ended.said for ended in said]
        server.fail(".", status=500, times=1000)
        monkeypatch.setattr("graft.components.common.services.api_client.RETRY_SECONDS", 0.1)
        said.append(graft("status", "run", *options, *access, "--debug"))
    assert not [ended.said for ended in said if SECRET in ended.said]
    sent = [(path, body) for _, path, _, body in server.asked]
    assert sent and not [entry for entry in sent if SECRET.encode() in entry[1] or SECRET in entry[0]]
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "token"]
    assert kept and not [path for path in kept if SECRET.encode() in path.read_bytes()]
    fs = fsspec.filesystem("gs")
    stored = fs.find(bucket)
    assert stored and not [path for path in stored if SECRET.encode() in fs.cat_file(path)]
