"""What is told of an installation, by a server that answers as Kubernetes does."""

import base64
import re

import pytest
import yaml
from kube_api import CONFIG_MAP, DEPLOYMENT, STOCK, deployment, kubernetes
from support import ROOT

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.kubeflow.installation import look_at_retries, look_at_secrets, retry_problem
from graft.pipelines.cluster.profile.fields import Profile

SECRET = "S3CR3T"


def defaults(strategy):
    return {"workflowDefaults": yaml.safe_dump({"spec": {"templateDefaults": {"retryStrategy": strategy}}})}


def patch_of_the_docs():
    (patch,) = re.findall(
        r"^cat > retries.yaml <<'EOF'\n(.*?)^EOF$", (ROOT / "docs" / "gke.md").read_text(), re.M | re.S
    )
    return yaml.safe_load(patch)["data"]


@pytest.mark.parametrize(
    ("settings", "patch", "said"),
    [
        ({"workflowDefaults": STOCK}, "{}", "a step that fails is not tried again"),
        (defaults({"retryPolicy": "OnTransientError"}), "", "a step that fails is not tried again"),
        ({}, "", "whose pod is lost, as by preemption, is not tried again"),
        ({"workflowDefaults": "spec: {templateDefaults: null}"}, "null", "whose pod is lost"),
        ({"workflowDefaults": "a: b: c"}, "", "whose pod is lost"),
        (defaults({"limit": "2", "retryPolicy": "Always"}), "", "whole parts of the pipeline run again"),
        (defaults({"retryPolicy": "Always"}), "", "whole parts of the pipeline run again"),
        (defaults({"limit": 0, "retryPolicy": "Always"}), "", ""),
        (patch_of_the_docs(), "{}", ""),
        # What the API server lays over every pipeline wins.
        (
            {"workflowDefaults": STOCK},
            '{"templateDefaults": {"retryStrategy": {"limit": 0, "retryPolicy": "Always"}}}',
            "",
        ),
        (
            patch_of_the_docs(),
            '{"templateDefaults": {"retryStrategy": {"retryPolicy": "OnError"}}}',
            "a step that fails",
        ),
    ],
)
def test_what_an_installation_does_otherwise(settings, patch, said):
    problem = retry_problem(settings, patch)
    assert said in problem and bool(said) == bool(problem)


MENDED = '{"templateDefaults": {"retryStrategy": {"limit": 0, "retryPolicy": "Always"}}}'


@pytest.mark.parametrize(
    ("server", "ok"), [(deployment("{}"), False), (403, False), (404, False), (deployment(MENDED), True)]
)
def test_the_retries_of_an_installation_are_looked_at(tmp_path, monkeypatch, server, ok):
    answers = {CONFIG_MAP: {"data": {"workflowDefaults": STOCK}}, DEPLOYMENT: server}
    with kubernetes(tmp_path, monkeypatch, answers) as web:
        found = look_at_retries()
    assert (found.ok, found.needed, "docs/gke.md" in found.remedy, web.url in found.text) == (ok, False, not ok, True)
    assert ("which may not be read" in found.text) == (server == 403)
    assert {headers["Authorization"] for _, _, headers, _ in web.asked} == {"Bearer T"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [(403, "may not be read"), (404, "has no Kubeflow Pipelines"), (502, "may not be read"), ([], "does not answer")],
)
def test_an_installation_that_can_t_be_looked_at_is_no_reproach(tmp_path, monkeypatch, answer, said):
    with kubernetes(tmp_path, monkeypatch, {CONFIG_MAP: answer}), pytest.raises(GraftError, match=said):
        look_at_retries()


@pytest.mark.parametrize("text", ["", "a: b: c", "[]", "{}", None])
def test_a_machine_without_kubectl_s_settings_has_no_cluster(tmp_path, monkeypatch, text):
    if text is not None:
        (tmp_path / "config").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(GraftError, match="kubectl has no cluster here"):
        look_at_retries()


def test_a_cluster_out_of_reach_is_told_at_once(tmp_path, monkeypatch):
    with kubernetes(tmp_path, monkeypatch, {}):
        pass
    with pytest.raises(GraftError, match="does not answer as Kubernetes does"):
        look_at_retries()


def secret(*keys):
    return {"data": {key: base64.b64encode(SECRET.encode()).decode() for key in keys}}


PROFILE = Profile.model_validate(
    {
        "pods": {"image_pull_secrets": ["registry"]},
        "secrets": [{"name": "keys", "key": "id", "env": "A"}, {"name": "keys", "key": "secret", "env": "B"}],
        "notification": {"secret": {"name": "hook", "key": "url"}},
    }
)


def test_all_secrets_are_there(tmp_path, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    answers = {"team/secrets/registry": secret(".dockerconfigjson"), "team/secrets/keys": secret("id", "secret")}
    answers["team/secrets/hook"] = secret("url")
    with kubernetes(tmp_path, monkeypatch, answers):
        found = look_at_secrets(PROFILE, "team")
    assert (found.ok, found.remedy) == (True, "")
    shown = caplog.text + found.text
    assert SECRET not in shown and base64.b64encode(SECRET.encode()).decode() not in shown


def test_a_secret_or_key_that_is_missing_is_named(tmp_path, monkeypatch):
    answers = {"kubeflow/secrets/registry": secret(), "kubeflow/secrets/keys": secret("id")}
    with kubernetes(tmp_path, monkeypatch, answers):
        found = look_at_secrets(PROFILE, "")
    assert not found.ok and "kubectl create secret" in found.remedy
    assert found.text.startswith("the key secret of the secret keys and the secret hook are missing in kubeflow")


def test_secrets_that_may_not_be_read_are_no_reproach(tmp_path, monkeypatch):
    with (
        kubernetes(tmp_path, monkeypatch, {"secrets/registry": 403}),
        pytest.raises(GraftError, match="may not be read"),
    ):
        look_at_secrets(PROFILE, "")
