"""Sending a run's end to a webhook. Its URL is a secret: it is never logged, nor are errors that would quote it."""

import base64
import html
from collections.abc import Mapping

import requests
from tenacity import RetryError, retry, retry_if_result, stop_after_attempt, wait_exponential

from graft.components.common.errors import GraftError
from graft.components.common.storage.web.client import post

_SERVICE = "https://secretmanager.googleapis.com"
_SECONDS = 10


def secret_url(version: str, service: str = _SERVICE) -> str:
    """Reads a webhook's URL from Secret Manager, under the account that the step runs with.

    Args:
        version: `projects/…/secrets/…/versions/…`.
        service: Address of the service.

    Raises:
        GraftError: The account may not read it, or there is none.
    """
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        response = AuthorizedSession(credentials).get(f"{service}/v1/{version}:access", timeout=_SECONDS)
    except (GoogleAuthError, requests.RequestException) as error:
        raise GraftError(f"{version} can't be read ({type(error).__name__}).") from error
    if response.status_code != requests.codes.ok:
        raise GraftError(
            f"{version} can't be read (HTTP {response.status_code}): "
            "grant the steps' service account roles/secretmanager.secretAccessor on it."
        )
    return base64.b64decode(response.json()["payload"]["data"]).decode().strip()


def send(url: str, content: Mapping[str, object]) -> None:
    """Posts JSON to a webhook, three times if need be.

    Its `text` is escaped as Slack asks (https://docs.slack.dev/messaging/formatting-message-text): a file that is called `<!channel>.jpg`
    calls nobody.

    Args:
        url: The webhook's URL.
        content: What is sent, with the message as `text`.

    Raises:
        GraftError: It is no web address, or did not take it; the message does not name it.
    """
    url = url.strip()  # a secret that was made of a file ends in a newline
    if not url.startswith(("https://", "http://")):
        raise GraftError("the webhook's URL doesn't start with https://: correct the secret.")
    try:
        problem = _post(url, {**content, "text": html.escape(str(content["text"]), quote=False)})
    except RetryError as error:
        problem = error.last_attempt.result()
    if problem:
        raise GraftError(f"the webhook did not take the message ({problem}).")


def _worth_another(problem: str) -> bool:
    """Whether a problem may pass: no answer, or one that the server itself is at fault for."""
    return bool(problem) and (not problem.startswith("HTTP") or problem.startswith(("HTTP 429", "HTTP 5")))


@retry(retry=retry_if_result(_worth_another), stop=stop_after_attempt(3), wait=wait_exponential(0.5))
def _post(url: str, content: Mapping[str, object]) -> str:
    """Posts once, and returns what went wrong: an exception would carry the URL, and logs of retries would quote it."""
    try:
        status = post(url, content, _SECONDS)
    except requests.RequestException as error:
        return type(error).__name__
    return "" if 200 <= status < 300 else f"HTTP {status}"
