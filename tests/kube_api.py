"""A server that answers as a cluster's Kubernetes API, and the settings of kubectl for it."""

import json
from contextlib import contextmanager

from web import web_server

CONFIG_MAP, DEPLOYMENT = "/configmaps/workflow-controller-configmap", "/deployments/ml-pipeline"
# As Kubeflow's manifests have it: manifests/kustomize/third-party/argo/base/workflow-controller-configmap-patch.yaml of 2.17.0.
STOCK = """
spec:
  ttlStrategy:
    secondsAfterCompletion: 3600
  templateDefaults:
    retryStrategy:
      limit: '2'
      retryPolicy: OnError
"""


@contextmanager
def kubernetes(tmp_path, monkeypatch, answers):
    """A cluster that kubectl is set up for.

    Args:
        tmp_path: A folder.
        monkeypatch: Sets the environment.
        answers: Content, or status of a refusal, by the end of a path; all else is not found.
    """

    def answer(method, path, body):
        found = next((content for end, content in answers.items() if path.endswith(end)), 404)
        return (found, {"kind": "Status", "code": found}) if isinstance(found, int) else (200, found)

    with web_server(answer) as web:
        context = {"context": {"cluster": "c", "user": "u"}, "name": "here"}
        written = {"clusters": [{"name": "c", "cluster": {"server": web.url}}], "contexts": [context]}
        written |= {"users": [{"name": "u", "user": {"token": "T"}}], "current-context": "here"}
        (tmp_path / "kubeconfig").write_text(json.dumps(written))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        yield web


def deployment(patch):
    container = {"name": "ml-pipeline-api-server", "env": [{"name": "COMPILED_PIPELINE_SPEC_PATCH", "value": patch}]}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}
