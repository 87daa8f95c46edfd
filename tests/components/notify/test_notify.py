"""Notify tells a webhook how the run ended, and nobody the webhook's address."""

import base64
import dataclasses
import json
import logging
import os
import re
from pathlib import Path

import pytest
from run_records import ENDINGS, leave_records
from web import web_server

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.errors import GraftError
from graft.components.common.runs.history import read_history
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import mark_cancelled
from graft.components.notify import kubeflow
from graft.components.notify import notify as notify_module
from graft.components.notify import webhook as webhook_module
from graft.components.notify.notify import Webhook, notify
from graft.components.notify.webhook import secret_url

SECRET = "T0P-SECRET"
LINK = "https://kubeflow.example/#/runs/details/{run}"


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "store"), "cats", "run-1")


def sent_by(notified, *arguments):
    with web_server() as web:
        result = notified(Webhook(f"{web.url}/{SECRET}"), *arguments)
    (request,) = web.asked
    assert request[:2] == ("POST", f"/{SECRET}")
    return result, json.loads(request[3])


TOLD = {
    "success": ("SUCCEEDED", Outcome.SUCCEEDED, 0.87, ""),
    "gate": ("FAILED", Outcome.GATE_FAILED, 0.87, "gate: accuracy 0.87 is below 0.9"),
    "error": ("FAILED", Outcome.FAILED, None, "ingest: photos.zip is empty"),
    "killed": ("FAILED", Outcome.FAILED, None, "train: left no record"),
}


@pytest.mark.parametrize("ending", TOLD)
def test_every_ending_is_told_with_link_accuracy_and_reason(run, ending):
    state, outcome, accuracy, reason = TOLD[ending]
    leave_records(run, **ENDINGS[ending])
    result, sent = sent_by(lambda webhook: notify(run, state, LINK, webhook))
    assert (result.outcome, result.delivered) == (outcome, True)
    assert (sent["outcome"], sent["accuracy"], sent["run"], sent["name"]) == (outcome, accuracy, "run-1", "cats")
    assert sent["link"] == "https://kubeflow.example/#/runs/details/run-1"
    assert sent["reason"].startswith(reason)
    assert sent["link"] in sent["text"] and sent["reason"] in sent["text"]
    assert SECRET not in json.dumps(sent)


def test_a_file_s_name_is_no_markup_of_slack_s(run):
    error = GraftError("<!channel> <https://evil.example|photos> & <@U1>.jpg is empty")
    leave_records(run, until="ingest", error=error)
    _, sent = sent_by(lambda webhook: notify(run, "FAILED", LINK, webhook))
    assert "&lt;!channel&gt; &lt;https://evil.example|photos&gt; &amp; &lt;@U1&gt;.jpg is empty" in sent["text"]
    assert sent["reason"].startswith("ingest: <!channel>"), "programs get it as it is"


def test_nothing_new_is_told_of_every_so_many_runs(tmp_path):
    told = []
    with web_server() as web:
        for number in range(8):
            run = Run(str(tmp_path / "store"), "cats", f"run-{number}")
            leave_records(run, **({} if number == 1 else ENDINGS["unchanged"]))
            os.utime(Path(run.folder) / "resolve.json", (number + 1, number + 1))
            result = notify(run, "SUCCEEDED", "", Webhook(web.url, quiet=3))
            told.append(result.delivered)
    assert told == [None, True, None, None, True, None, None, True]
    reasons = [json.loads(request[3])["reason"].partition(";")[0] for request in web.asked[1:]]
    assert reasons == ["nothing new for 3 runs", "nothing new for 6 runs"]


def test_an_earlier_record_that_is_damaged_ends_the_count_and_is_named(run, caplog):
    leave_records(run, **ENDINGS["unchanged"])
    earlier = Path(run.folder).with_name("run-0")
    earlier.mkdir()
    (earlier / "resolve.json").write_text("")
    os.utime(earlier / "resolve.json", (1, 1))
    _, sent = sent_by(lambda webhook: notify(run, "SUCCEEDED", "", dataclasses.replace(webhook, quiet=1)))
    assert sent["reason"].startswith("nothing new for 1 runs")
    assert "run-0/resolve.json is damaged" in caplog.text


def test_a_run_that_was_cancelled_is_no_failure(run):
    leave_records(run, **ENDINGS["killed"])
    assert notify(run, "CANCELLED").outcome is Outcome.CANCELLED


def test_a_success_that_left_no_export_is_a_failure(run):
    leave_records(run, until="gate")
    assert notify(run, "SUCCEEDED").outcome is Outcome.FAILED


def test_an_unreadable_record_is_the_more_reason_to_tell(run):
    leave_records(run)
    damaged = Path(run.folder) / "train.json"
    damaged.write_text(damaged.read_text()[:40])
    result, sent = sent_by(lambda webhook: notify(run, "SUCCEEDED", LINK, webhook))
    assert (result.outcome, sent["outcome"]) == (Outcome.FAILED, "failed")
    assert "the run record can't be read" in sent["reason"]


def test_a_cancelled_run_that_its_backend_calls_failed(run):
    leave_records(run, **ENDINGS["killed"])
    mark_cancelled(run)
    assert notify(run, "FAILED").outcome is Outcome.CANCELLED


RUNNING = [{"state": "PENDING"}, {"state": "RUNNING"}]


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "reason"),
    [
        (200, {"state": "CANCELING", "state_history": RUNNING}, Outcome.CANCELLED, "cancelled during train"),
        (200, {"state": "RUNNING", "state_history": RUNNING}, Outcome.FAILED, "train: left no record"),
        (
            200,
            {"state": "RUNNING", "state_history": [{"state": "CANCELING"}, *RUNNING]},
            Outcome.FAILED,
            "train: left no record",
        ),
        (403, {"code": 7}, Outcome.FAILED, "train: left no record"),
        (200, ["no run"], Outcome.FAILED, "train: left no record"),
    ],
)
def test_in_a_pod_kubeflow_is_asked_whether_somebody_cancelled_the_run(
    run, monkeypatch, status, answer, outcome, reason
):
    """Its own page lets people cancel, and the exit task is told no more than that something went wrong."""
    leave_records(run, **ENDINGS["killed"])
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with web_server(lambda *request: (status, answer)) as web:
        monkeypatch.setattr(kubeflow, "IN_CLUSTER", web.url)
        told = notify(run, "RUNNING")
        assert [path for _, path, _, _ in web.asked] == [f"/apis/v2beta1/runs/{run.run_id}"]
    assert (told.outcome, told.reason.startswith(reason)) == (outcome, True), told
    if outcome is Outcome.CANCELLED:
        assert "memory" not in told.reason
        assert (read_history(run.store, run.name)[0].outcome, notify(run, "RUNNING").reason) == (outcome, reason)


def test_who_succeeded_is_not_asked_after(run, monkeypatch):
    leave_records(run)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with web_server() as web:
        monkeypatch.setattr(kubeflow, "IN_CLUSTER", web.url)
        assert notify(run, "RUNNING").outcome is Outcome.SUCCEEDED
    assert not web.asked


def test_cancelled_then_tried_again_and_failed_by_itself(run):
    leave_records(run, **ENDINGS["killed"])
    mark_cancelled(run)
    note = Path(run.folder) / "cancelled.json"
    note.write_text(re.sub(r'"cancelled": "\d{4}', '"cancelled": "2001', note.read_text()))
    assert notify(run, "FAILED").outcome is Outcome.CANCELLED, "nothing says that it was tried again"
    leave_records(run, **ENDINGS["error"])
    assert notify(run, "FAILED").reason == "ingest: photos.zip is empty"
    assert read_history(run.store, run.name)[0].outcome == Outcome.FAILED


def test_kubeflow_calls_a_success_complete():
    assert notify(Run(name="cats", run_id="r"), "COMPLETE").outcome is Outcome.SUCCEEDED


def test_chats_get_text_alone(run):
    leave_records(run)
    with web_server() as web:
        notify(run, "SUCCEEDED", "", Webhook(web.url, format="text"))
    assert list(json.loads(web.asked[0][3])) == ["text"]


def test_without_a_store_the_pipeline_s_state_has_to_do():
    assert notify(Run(name="cats", run_id="r"), "SUCCEEDED").outcome is Outcome.SUCCEEDED
    result = notify(Run(name="cats", run_id="r"), "FAILED")
    assert (result.outcome, result.delivered) == (Outcome.FAILED, None)
    assert "without a store" in result.summary


@pytest.mark.parametrize("status", [404, 302, 500])
def test_a_webhook_that_does_not_take_it_changes_nothing_and_stays_secret(run, caplog, status, monkeypatch):
    monkeypatch.setattr(webhook_module._post.retry, "wait", lambda state: 0)
    caplog.set_level(logging.DEBUG)
    leave_records(run)
    with web_server(lambda *request: (status, {})) as web:
        result = notify(run, "SUCCEEDED", "", Webhook(f"{web.url}/{SECRET}"))
    assert (result.outcome, result.delivered) == (Outcome.SUCCEEDED, False)
    assert f"notify: the webhook did not take the message (HTTP {status})" in caplog.text
    assert len(web.asked) == (3 if status == 500 else 1)
    assert not any(SECRET in record.getMessage() for record in caplog.records if record.name == "graft")


def test_a_webhook_out_of_reach_is_tried_three_times_and_stays_secret(run, caplog, monkeypatch):
    monkeypatch.setattr(webhook_module._post.retry, "wait", lambda state: 0)
    leave_records(run)
    for url in (f"http://127.0.0.1:9/{SECRET}", f"ftp://{SECRET}", SECRET):
        result = notify(run, "SUCCEEDED", "", Webhook(url))
        assert result.delivered is False
        assert SECRET not in caplog.text and SECRET not in repr(Webhook(url)) and SECRET not in result.summary


@pytest.fixture
def google_account(tmp_path, monkeypatch):
    """A service account's key of another cloud than Google's own, for whose tokens nobody is asked."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    def answer(method, path, body):
        if path == "/v1/projects/p/secrets/hook/versions/latest:access":
            return 200, {"payload": {"data": base64.b64encode(f"{web.url}/{SECRET}\n".encode()).decode()}}
        return 403, {"error": {"message": "Permission denied"}}

    with web_server(answer) as web:
        account = {
            "type": "service_account",
            "client_email": "graft@p",
            "private_key": key.decode(),
            "token_uri": web.url,
            "universe_domain": "cloud.example",
        }
        (tmp_path / "key.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        yield web


def test_the_address_may_come_from_secret_manager(run, google_account):
    address = secret_url("projects/p/secrets/hook/versions/latest", google_account.url)
    assert address == f"{google_account.url}/{SECRET}"
    assert google_account.asked[-1][2]["Authorization"].startswith("Bearer ey")


def test_a_missing_right_to_the_secret_is_named(run, google_account, monkeypatch, caplog):
    monkeypatch.setattr(notify_module, "secret_url", lambda name: secret_url(name, google_account.url))
    leave_records(run)
    result = notify(run, "SUCCEEDED", "", Webhook(secret="projects/p/secrets/other/versions/latest"))
    assert result.delivered is False
    assert "roles/secretmanager.secretAccessor" in caplog.text
