"""A cluster to talk to: a server here that speaks its API, or a real one named by GRAFT_TEST_KFP_ENDPOINT."""

import json
import os
import sys

import pytest
from fake_kubeflow import FakeKubeflow
from fake_vertex import FakeVertex
from profiles import IMAGES, write_profile

from graft.components.common.services import api_client
from graft.pipelines.cli import app as cli
from graft.pipelines.cluster import watching


class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it printed.
        said: What it printed and logged, all together.
    """

    def __init__(self, code, out, said):
        self.code, self.out, self.said = code, out, said


@pytest.fixture
def graft(capsys, caplog, monkeypatch, tmp_path):
    """Runs the command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))  # whoever tests may have a cluster of their own
    monkeypatch.setenv(
        "DOCKER_HOST", f"unix://{tmp_path}/no.sock"
    )  # which would ask the registry for each run's images
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(api_client, "RETRY_SECONDS", 2.0)
    if not os.environ.get("GRAFT_TEST_KFP_ENDPOINT"):  # a real server may want them
        for name in ("KF_PIPELINES_ENDPOINT", "GRAFT_TOKEN", "GRAFT_COOKIE", "GOOGLE_APPLICATION_CREDENTIALS"):
            monkeypatch.delenv(name, raising=False)
    (tmp_path / "images.json").write_text(json.dumps(IMAGES))
    caplog.set_level("DEBUG")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["graft", *map(str, arguments)])
        caplog.clear()
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        captured = capsys.readouterr()
        logged = "\n".join(record.getMessage() for record in caplog.records if record.name == "graft")
        return Ended(code, captured.out, captured.out + captured.err + logged)

    return run


class Cluster:
    """A target with the server behind it.

    Attributes:
        server: The server that speaks the target's API.
        options: What every command needs to reach it.
        profile: The profile's file.
    """

    def __init__(self, target, server, profile, *options):
        self.target, self.server, self.profile = target, server, profile
        self.options = ["--target", target, "--profile", str(profile), *options]

    def stored_schedule(self, identifier):
        """Returns trigger line, concurrency and parameters of a schedule, as the backend keeps them."""
        entry = self.server.schedules[identifier]
        if self.target == "vertex":
            job = entry["createPipelineJobRequest"]["pipelineJob"]
            return entry["cron"], int(entry["maxConcurrentActiveRunCount"]), job["runtimeConfig"]["parameterValues"]
        trigger = entry["trigger"]
        line = (
            trigger["cron_schedule"]["cron"]
            if trigger.get("cron_schedule")
            else trigger["periodic_schedule"]["interval_second"]
        )
        return line, int(entry["max_concurrency"]), entry["runtime_config"]["parameters"]

    def parameters(self, run):
        """Returns the parameters of a run, as the backend keeps them."""
        entry = self.server.runs[run]
        return (
            entry["runtimeConfig"]["parameterValues"]
            if self.target == "vertex"
            else entry["runtime_config"]["parameters"]
        )


@pytest.fixture(params=["kubeflow", "vertex"])
def cluster(request, tmp_path):
    """Each target in turn."""
    kind = {"kubeflow": FakeKubeflow, "vertex": FakeVertex}[request.param]
    with kind() as server:
        profile = write_profile(tmp_path / "profile.yaml", request.param, server.url)
        yield Cluster(request.param, server, profile, *(["--token", "anybody"] if request.param == "vertex" else []))
