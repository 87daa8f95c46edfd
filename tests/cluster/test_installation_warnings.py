"""Before a run is started, and by `graft doctor`, is told what would keep it from starting or from being tried again."""

import pytest
from kube_api import CONFIG_MAP, STOCK, kubernetes
from profiles import IMAGES, write_profile
from web import web_server

from graft.components.common.findings import look_at_all
from graft.pipelines.cluster.connecting import Cluster
from graft.pipelines.cluster.looks import cluster_looks
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.images import unknown_images
from graft.pipelines.cluster.profile.reading import read_profile

RUN = ["--source", "gs://pictures/photos.zip", "--store", "gs://b/store", "--name", "pets"]
WARNINGS = ["a step that fails is not tried again", "the secret hook is missing in team"]
COMMANDS = [["submit"], ["schedules", "create", "weekly", "--cron", "0 3 * * 1"]]


@pytest.mark.parametrize("command", COMMANDS, ids=["submit", "schedules"])
def test_an_installation_that_does_otherwise_is_told_once_and_the_run_goes_on(
    graft, cluster, tmp_path, monkeypatch, command
):
    if cluster.target == "kubeflow":
        text = cluster.profile.read_text() + "notification: {secret: {name: hook, key: url}}\n"
        cluster.profile.write_text(text.replace("kubeflow: {", "kubeflow: {namespace: team, "))
    with kubernetes(tmp_path, monkeypatch, {CONFIG_MAP: {"data": {"workflowDefaults": STOCK}}}) as web:
        ended = graft(*command, *cluster.options, *RUN)
    assert ended.code == 0, ended.said
    expected = 1 if cluster.target == "kubeflow" else 0
    assert [ended.said.count(warning) for warning in WARNINGS] == [expected, expected]
    assert bool(web.asked) == bool(expected)


@pytest.mark.parametrize("command", COMMANDS, ids=["submit", "schedules"])
def test_an_installation_that_may_not_be_looked_at_is_passed_over(graft, cluster, tmp_path, monkeypatch, command):
    with kubernetes(tmp_path, monkeypatch, {CONFIG_MAP: 403}):
        ended = graft(*command, *cluster.options, *RUN)
    assert (ended.code, "tried again" in ended.said, "may not be read" in ended.said) == (0, False, False)


def test_the_doctor_looks_at_it_too(tmp_path, monkeypatch):
    profile = write_profile(tmp_path / "profile.yaml", "kubeflow", "http://127.0.0.1:9", f"images: {IMAGES}\n")
    looks = cluster_looks(Cluster(target="kubeflow", profile=profile), read_profile(profile, "kubeflow"))
    with kubernetes(tmp_path, monkeypatch, {CONFIG_MAP: {"data": {"workflowDefaults": STOCK}}}):
        (found,) = look_at_all([look for look in looks if look.name == "Retries"])
    assert (found.ok, found.needed, "not tried again" in found.text) == (False, False, True)


@pytest.mark.parametrize(("status", "unknown"), [(404, [IMAGES["cpu"]]), (403, []), (500, []), (200, [])])
def test_an_image_that_its_registry_does_not_have_is_told(graft, cluster, monkeypatch, status, unknown):
    def engine(method, path, body):
        if path.endswith("/version"):
            return 200, {"ApiVersion": "1.41"}
        return (status if "@" in path or "%40" in path else 500), {
            "message": "manifest unknown",
            "Descriptor": {"digest": "d"},
        }

    with web_server(engine) as web:
        monkeypatch.setenv("DOCKER_HOST", web.url.replace("http", "tcp"))
        images = Images(cpu=IMAGES["cpu"], gpu="registry.example/graft:a-tag")
        assert unknown_images(images) == unknown
        ended = graft("submit", *cluster.options, *RUN)
    assert (ended.code, f"the registry has no {IMAGES['cpu']}" in ended.said) == (0, bool(unknown))
