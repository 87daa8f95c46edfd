"""MLflow's model registry, by its REST API (https://mlflow.org/docs/latest/rest-api.html).

MLflow's own client brings some 26 packages, takes seconds to import, and keeps to the time limits of the process's environment alone.
"""

import base64
import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

import requests
from pydantic import BaseModel, ValidationError

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.services.api_client import CONNECT_SECONDS, LostContactError, UnreachableError
from graft.components.mirror.config import MirrorConfig
from graft.components.mirror.mlflow_answers import FoundVersions, ModelVersion, Nothing, OneModel, OneVersion, Problem
from graft.components.mirror.other_registry import STATE_TAG, VERSION_TAG, Copy, Entry, OtherRegistry

_CHAMPION = "champion"
# A server takes no local paths, which it might be brought to read: what begins with a scheme it doesn't know it only keeps.
_LOCAL = "graft:"
_PROMPT = "mlflow.prompt.is_prompt"
_SECONDS = 5.0
# More than a model has versions: pages would shift while others add or remove some.
_A_PAGE = 10_000
_MOST_BYTES, _PIECE = 64 * 2**20, 2**18
_CREDENTIALS = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, in the environment"

_Answer = TypeVar("_Answer", bound=BaseModel)


class _RefusedError(GraftError):
    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class MlflowRegistry(OtherRegistry):
    """A registered model of an MLflow tracking server.

    Args:
        config: The server. Credentials come from the environment, as MLflow's own client has them.
        name: The model's name.
        seconds: How long it may take in all; None for as long as a run has for it.
    """

    def __init__(self, config: MirrorConfig, name: str, seconds: float | None = None) -> None:
        super().__init__(config.to.rstrip("/"), seconds)
        self._name, self._session = name, requests.Session()
        authorization = _authorization(os.environ)

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers.update(authorization)
            return request

        self._session.auth = sign  # also without credentials, else requests takes some from ~/.netrc

    def look(self) -> list[Copy]:
        """Returns what is there under the model's name, added by Graft or not; makes the registered model if it isn't there."""
        champion = self._champion()
        found: list[ModelVersion] = []
        query = {"filter": f"name='{self._name}'", "max_results": _A_PAGE}
        while True:
            page = self._ask("GET", "model-versions/search", FoundVersions, query)
            found += page.model_versions
            if not page.next_page_token:
                return [_copy(version, champion) for version in found]
            query["page_token"] = page.next_page_token

    def tags(self, entry: Entry) -> Mapping[str, str]:
        """Returns what a model version's tags are to say."""
        digests = {"graft_model_digest": entry.model_digest, "graft_dataset_digest": entry.dataset_digest}
        metrics = {f"graft_{name}": f"{value:.6g}" for name, value in entry.metrics.items()}
        return {VERSION_TAG: entry.version, STATE_TAG: entry.state.value, **digests, **metrics}

    def add(self, entry: Entry) -> Copy:
        """Makes a model version, with all tags from its first moment on."""
        tags = [{"key": key, "value": value} for key, value in self.tags(entry).items()]
        source = entry.uri if "://" in entry.uri else f"{_LOCAL}{entry.uri}"
        made = self._ask("POST", "model-versions/create", OneVersion, {"source": source, "tags": tags})
        return _copy(made.model_version, None)

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        """Writes these tags of a model version over, one by one."""
        for key, value in tags.items():
            content = {"version": str(number), "key": key, "value": value}
            self._ask("POST", "model-versions/set-tag", Nothing, content)

    def remove(self, number: int) -> None:
        """Deletes a model version, if it still is there."""
        try:
            self._ask("DELETE", "model-versions/delete", Nothing, {"version": str(number)})
        except _RefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def crown(self, number: int | None) -> None:
        """Gives a model version the alias `champion`, or takes it away."""
        if number is None:
            self._ask("DELETE", "registered-models/alias", Nothing, {"alias": _CHAMPION})
        else:
            self._ask("POST", "registered-models/alias", Nothing, {"alias": _CHAMPION, "version": str(number)})

    def _champion(self) -> int | None:
        """Returns which model version is the champion, and makes the registered model if it isn't there."""
        try:
            model = self._ask("GET", "registered-models/get", OneModel, {}).registered_model
        except _RefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self._make_model()
            return None
        if any(
            tag.key == _PROMPT and tag.value.lower() == "true" for tag in model.tags
        ):  # whose versions are not listed
            raise GraftError(f"{self.where} has a prompt that is named {self._name}: rename it.")
        return next((alias.version for alias in model.aliases if alias.alias == _CHAMPION), None)

    def _make_model(self) -> None:
        about = "A mirror of Graft's registry, which overwrites the alias champion and the tags graft_*."
        try:
            self._ask("POST", "registered-models/create", OneModel, {"description": about})
        except _RefusedError as error:  # somebody else made it at the same time
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _ask(self, method: str, path: str, answer: type[_Answer], content: Mapping[str, object]) -> _Answer:
        """Makes one request about the model.

        Raises:
            LostContactError: There is no answer, or one that says that the server is overloaded or out of order.
            _RefusedError: It refuses.
        """
        fields = content if path.endswith("search") else {"name": self._name, **content}
        seconds = min(self.left(), _SECONDS)
        try:
            with self._session.request(
                method,
                f"{self.where}/api/2.0/mlflow/{path}",
                params=fields if method == "GET" else None,
                json=None if method == "GET" else fields,
                timeout=(min(seconds, CONNECT_SECONDS), seconds),
                # requests knows the first one alone, and clients of buckets the second.
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._body(response)
        except (OSError, ValueError) as error:  # those of requests, and what it lets through of urllib3's
            raise UnreachableError(f"MLflow at {self.where} can't be reached ({type(error).__name__}).") from error
        if response.status_code != HTTPStatus.OK:
            raise self._refusal(path, response.status_code, body)
        try:
            return answer.model_validate_json(body)
        except ValidationError as error:
            raise GraftError(
                f"{self.where} does not answer as an MLflow tracking server: correct the address."
            ) from error

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        for piece in response.iter_content(_PIECE):
            body += piece
            if len(body) > _MOST_BYTES:
                raise GraftError(
                    f"{self.where} answers with more than {_MOST_BYTES // 2**20} MiB: correct the address."
                )
        return bytes(body)

    def _refusal(self, path: str, status: int, body: bytes) -> GraftError:
        try:
            problem = Problem.model_validate_json(body)
        except ValidationError:
            problem = Problem()
        told = storage.without_secrets(" ".join(problem.message.split())[:300]).rstrip(".")
        said = f"(HTTP {status}: {told})" if told else f"(HTTP {status})"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return LostContactError(f"MLflow at {self.where} is not working {said}.")
        if status == HTTPStatus.UNAUTHORIZED:
            remedy = _CREDENTIALS
        elif status == HTTPStatus.FORBIDDEN:
            remedy = f"give the account the permission MANAGE on the registered model {self._name}"
        elif not problem.error_code:
            remedy = "no MLflow tracking server is at this address: correct it"
        else:
            remedy = "MLflow has to be 2.3 or newer"
        return _RefusedError(f"MLflow at {self.where} refuses {path} {said}: {remedy}.", problem.error_code)


def _authorization(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Returns the header that tells a server who asks; none without credentials. A secret made of a file ends in a newline."""
    user, password, token = (
        environment.get(f"MLFLOW_TRACKING_{name}", "").strip() for name in ("USERNAME", "PASSWORD", "TOKEN")
    )
    if user and password:
        return {"Authorization": b"Basic " + base64.b64encode(f"{user}:{password}".encode())}
    return {"Authorization": f"Bearer {token}".encode()} if token else {}


def _copy(version: ModelVersion, champion: int | None) -> Copy:
    tags = {tag.key: tag.value for tag in version.tags}
    uri = version.source.removeprefix(_LOCAL)
    return Copy(version.version, tags.get(VERSION_TAG, ""), uri, tags, version.version == champion)
