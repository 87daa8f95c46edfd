"""`graft doctor` with a cluster: what answers, what refuses, and that nobody who reads it learns who asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_kubeflow import FakeKubeflow
from fake_vertex import FakeVertex
from profiles import IMAGES, write_profile

from graft.components.common.findings import Finding, look_at_all
from graft.pipelines.cluster.connecting import Cluster
from graft.pipelines.cluster.looks import cluster_looks
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.local import looks as local_looks

GRAFT = Path(sys.executable).with_name("graft")
SECRET = "S3CR3T-T0K3N"
PINNED = f"images: {json.dumps(IMAGES)}\n"


@pytest.mark.slow
def test_the_whole_command_names_what_is_wrong_and_shows_nobody(tmp_path, monkeypatch):
    home = tmp_path / "ann.user"
    home.mkdir()
    for name, value in {"HOME": home, "LOGNAME": "ann.user", "GRAFT_TOKEN": SECRET}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("XDG_CACHE_HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/no.sock")
    weights = f"https://ann.user:{SECRET}@127.0.0.1:9/w.h5?sig={SECRET}"
    with FakeKubeflow(token=SECRET) as server:
        profile = write_profile(home / "profile.yaml", "kubeflow", server.url, PINNED)
        words = ["doctor", "--json", "--weights", weights, "--store", home / "store"]
        words += ["--target", "kubeflow", "--profile", profile]
        ended = subprocess.run([GRAFT, *words], cwd=home, capture_output=True, text=True, check=False)
    content = json.loads(ended.stdout)
    found = {finding["name"]: finding for finding in content["findings"]}
    wrong = {name for name, finding in found.items() if not finding["ok"]}
    assert wrong - {"GPU"} == {"Docker", "Retries", "Weights"}, ended.stdout
    assert [name for name in wrong if found[name]["needed"]] == ["Weights"]
    assert (ended.returncode, content["ok"], ended.stderr) == (1, False, "")
    assert found["Access"]["text"] == f"{server.url} answers"
    assert found["Images"]["text"] == "cpu registry.example/graft@sha256:000000000000"
    assert found["TensorFlow"]["text"].startswith("2.")
    assert found["Store"]["text"] == "~/store can be read and written"
    assert not (home / "store").exists()
    for hidden in (SECRET, "ann.user", str(home), "Traceback"):
        assert hidden not in ended.stdout


@pytest.fixture(params=[FakeKubeflow, FakeVertex], ids=["kubeflow", "vertex"])
def locked(request, tmp_path):
    """A function that looks at the access to a cluster that wants a token, and its server."""
    target = request.node.callspec.id.split("-")[0]
    with request.param(token=SECRET) as server:
        profile = write_profile(tmp_path / "profile.yaml", target, server.url, PINNED)

        def look(**access):
            cluster = Cluster(target=target, profile=profile, **access)
            return {found.name: found for found in look_at_all(cluster_looks(cluster, read_profile(profile, target)))}

        yield look, server


def test_a_cluster_that_answers_refuses_or_is_out_of_order(locked):
    look, server = locked
    assert look(token=SECRET)["Access"].ok
    refused = look(token="another")["Access"]
    assert (refused.ok, refused.needed, "HTTP 403" in refused.text) == (False, True, True)
    server.fail("GET", 503)
    lost = look(token=SECRET)
    assert (lost["Access"].ok, "HTTP 503" in lost["Access"].text, "Check the address" in lost["Access"].remedy) == (
        False,
        True,
        True,
    )
    assert lost["Images"].ok


def test_where_a_profile_deploys_to_is_looked_at(tmp_path):
    def look(to):
        profile = write_profile(
            tmp_path / "profile.yaml", "kubeflow", "http://127.0.0.1:9", f"deploy: {{to: '{to}'}}\n"
        )
        where = read_profile(profile, "kubeflow")
        (found,) = look_at_all(cluster_looks(Cluster(target="kubeflow", profile=profile), where)[-1:])
        return found

    served = look(tmp_path / "served")
    assert (served.ok, served.text) == (True, f"folder {tmp_path}/served/model can be looked at")
    (tmp_path / "file").write_text("no folder")
    lost = look(tmp_path / "file")
    assert (lost.ok, lost.needed, str(tmp_path / "file") in lost.text) == (False, False, True)


def test_a_profile_that_is_wrong_is_a_line_and_one_without_a_target_is_refused(graft, tmp_path, monkeypatch):
    monkeypatch.setattr(local_looks, "look_at_tensorflow", lambda ask: Finding("TensorFlow", True, "as it is"))
    (tmp_path / "profile.yaml").write_text("imges: x\n")
    ended = graft("doctor", "--target", "kubeflow", "--profile", tmp_path / "profile.yaml", "--weights", "random")
    assert (ended.code, "WRONG  Profile" in ended.out, "imges: there is no such field" in ended.out) == (1, True, True)
    assert "1 thing that Graft needs is missing or wrong." in ended.out
    ended = graft("doctor", "--profile", "profile.yaml")
    assert (ended.code, "name the --target as well" in ended.said) == (1, True)
