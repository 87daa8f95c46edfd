"""How long a backend is asked again: a clock that only sleeping moves tells, so that nothing here waits."""

import time

import pytest
from google.cloud import aiplatform_v1
from urllib3.exceptions import HTTPError
from web import web_server

from graft.components.common.services.api_client import CONNECT_SECONDS, LostContactError
from graft.components.common.services.vertex import VertexClient
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.kubeflow.client import KubeflowClient


@pytest.fixture
def clock(monkeypatch):
    """Seconds slept so far."""
    slept = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: slept[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.__setitem__(0, slept[0] + seconds))
    return slept


def ask(target, url):
    if target == "kubeflow":
        client = KubeflowClient(url, Access())
        client.call("run 1", client.services.runs.run_service_get_run, "1")
    else:
        client = VertexClient("p", "l", url, lambda: "t")
        jobs = client.service(aiplatform_v1.PipelineServiceClient)
        client.call("run 1", jobs.get_pipeline_job, name="projects/p/locations/l/pipelineJobs/1")


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_an_address_where_nobody_answers_is_given_up_in_15_seconds(clock, target):
    with pytest.raises(LostContactError, match="can't be reached"):
        ask(target, "http://127.0.0.1:9")
    assert 3 < clock[0] <= 15


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_a_server_that_is_out_of_order_gets_a_minute(clock, target):
    with web_server(lambda *request: (503, {"error": {"code": 503, "message": "starting"}})) as web:
        with pytest.raises(LostContactError, match="is not working"):
            ask(target, web.url)
        assert 60 <= clock[0] <= 75
        assert len(web.asked) > 5


def test_a_connection_is_tried_once_an_attempt(monkeypatch):
    """The client library's own attempts would come on top, each with its own time-out."""
    tried = []

    def refuse(self):
        tried.append(self.timeout)
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.connection.HTTPConnection._new_conn", refuse)
    client = KubeflowClient("http://127.0.0.1:9", Access())
    with pytest.raises(HTTPError):
        client.ask(client.services.runs.run_service_get_run, "1")
    assert tried == [CONNECT_SECONDS]
