"""The Kubernetes API of the cluster that this runs in, or else of the one that kubectl is set up for."""

import json
import os
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import urllib3
import yaml
from kubernetes import client, config

from graft.components.common.errors import GraftError
from graft.components.common.services import api_client

_LONGEST = 300


class ConflictError(GraftError):
    """The object was changed since it was read, or is there already."""


class Kind(NamedTuple):
    """A kind of objects that lie in namespaces.

    Attributes:
        group: The API group.
        version: The group's version.
        plural: What paths call it.
    """

    group: str
    version: str
    plural: str


def connect() -> client.ApiClient:
    """Returns the client of the cluster of the pod that this runs in, or else of kubectl's current context. Nothing is asked yet.

    Raises:
        GraftError: There is none.
    """
    settings = client.Configuration()
    settings.retries = False
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:  # which every pod of a cluster has
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=settings, persist_config=False)
    except (config.ConfigException, OSError, yaml.YAMLError, TypeError) as error:  # TypeError: a list, say
        raise GraftError(f"kubectl has no cluster here ({' '.join(str(error).split())}).") from error
    return client.ApiClient(settings)


class Cluster(api_client.ApiClient):
    """Reads and writes the objects of a namespace.

    Args:
        namespace: The namespace.
        rights: Where the rights stand that an account needs, for messages.

    Raises:
        GraftError: There is no cluster.
    """

    def __init__(self, namespace: str, rights: str) -> None:
        api = connect()
        self.namespace, self._host, self._rights = namespace, api.configuration.host, rights
        self._objects = client.CustomObjectsApi(api)

    def get(self, kind: Kind, name: str) -> bytes | None:
        """Returns an object as JSON; None if it isn't there."""
        return self._send(f"{kind.plural}/{name}", self._objects.get_namespaced_custom_object, kind, name)

    def create(self, kind: Kind, name: str, content: Mapping[str, object]) -> bytes:
        """Makes an object and returns it as JSON.

        Raises:
            ConflictError: There is one of this name.
        """
        method = self._objects.create_namespaced_custom_object
        made = self._send(f"{kind.plural}/{name}", method, kind, dict(content), field_validation="Strict")
        if made is None:
            raise GraftError(
                f"{self._host} has no namespace {self.namespace}, or does not know {kind.plural} of {kind.group}."
            )
        return made

    def patch(self, kind: Kind, name: str, content: Mapping[str, object]) -> bytes:
        """Changes fields of an object, by a JSON merge patch, and returns it as JSON.

        Args:
            kind: The kind.
            name: The object's name.
            content: The fields; with `metadata.resourceVersion` only if it wasn't changed since.

        Raises:
            ConflictError: It was changed since, or has gone.
        """
        method = self._objects.patch_namespaced_custom_object
        changed = self._send(f"{kind.plural}/{name}", method, kind, name, dict(content), field_validation="Strict")
        if changed is None:
            raise ConflictError(f"{kind.plural}/{name} has gone from the namespace {self.namespace} of {self._host}.")
        return changed

    def delete(self, kind: Kind, name: str) -> None:
        """Deletes an object, if it is there."""
        self._send(f"{kind.plural}/{name}", self._objects.delete_namespaced_custom_object, kind, name)

    def ask(self, method: Callable[..., Any], *arguments: Any, **request: Any) -> Any:
        """Makes one request, and returns the answer's bytes."""
        limits = (api_client.CONNECT_SECONDS, api_client.SECONDS)
        # What the client loads itself it would log as well.
        return method(*arguments, **request, _preload_content=False, _request_timeout=limits).data

    def explain(self, what: str, error: BaseException) -> GraftError | None:
        """Returns the sentence for what the client raises."""
        what = f"{what} in the namespace {self.namespace} of {self._host}"
        if isinstance(error, urllib3.exceptions.HTTPError):
            return api_client.UnreachableError(f"{what}: the cluster does not answer ({type(error).__name__}).")
        if not isinstance(error, client.ApiException):
            return None
        if not error.status:
            return api_client.UnreachableError(
                f"{what}: the cluster does not answer ({' '.join(str(error.reason).split())})."
            )
        said = _said(error)
        if error.status == HTTPStatus.CONFLICT:
            return ConflictError(f"{what} was changed at the same time{said}.")
        if error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return api_client.LostContactError(f"{what}: the cluster is out of order (HTTP {error.status}{said}).")
        if error.status == HTTPStatus.UNAUTHORIZED or (error.status == HTTPStatus.FORBIDDEN and "webhook" not in said):
            return GraftError(f"{what} may not be read or changed (HTTP {error.status}{said}): {self._rights}.")
        return GraftError(f"{what} is refused (HTTP {error.status}{said}).")

    def _send(
        self, what: str, method: Callable[..., Any], kind: Kind, *arguments: object, **request: str
    ) -> bytes | None:
        def send() -> bytes | None:
            try:
                place = (kind.group, kind.version, self.namespace, kind.plural)
                return bytes(self.ask(method, *place, *arguments, **request))
            except client.ApiException as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    return None
                raise

        return self.insist(what, send)


def _said(error: client.ApiException) -> str:
    """Returns what an answer says of a refusal, on one line."""
    try:
        said = json.loads(error.body)["message"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f": {' '.join(str(said).split())[:_LONGEST]}"
