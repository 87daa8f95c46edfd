"""KServe: an InferenceService, whose revisions or Deployment serve a model's versions."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import yaml

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.services.kubernetes import Cluster, ConflictError
from graft.components.deploy.candidate import Candidate
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.inference_service import SERVICES, Service
from graft.components.deploy.targets.kserve_manifest import manifest_of, predictor_of
from graft.components.deploy.targets.kserve_request import predict
from graft.components.deploy.targets.kserve_view import View
from graft.components.deploy.targets.target import OvertakenError, Placed, Target

log = logging.getLogger("graft")

_Change = Callable[[Service | None], Mapping[str, object] | None]

# KServe's pattern, and as long that the longest host, that of Knative's tag latest-NAME-check-predictor, is a name of DNS.
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_CHECK = "check"
_POLL = 5
# Each further one is for a change that KServe made meanwhile: it writes what it does into the same object.
_CONFLICTS = 20


class KServeTarget(Target):
    """An InferenceService of the model's name.

    Where it runs on Knative, a version is a revision, which comes up without traffic beside one that has it. The first one, and each one
    of a Deployment, which moves traffic as its pods are replaced, is checked by a second InferenceService beside it before.

    Args:
        name: The model's name.
        config: Where the service is, and how it runs.

    Raises:
        GraftError: The name can't be that of an InferenceService, or there is no cluster.
    """

    def __init__(self, name: str, config: DeployConfig) -> None:
        if not _NAME.fullmatch(name):
            raise GraftError(
                f"{name!r} can't be the name of an InferenceService, which has at most 40 lower-case letters, digits and hyphens and "
                "begins with a letter: give the model another name."
            )
        self._name, self._config = name, config
        self._checking = f"{name}-{_CHECK}"
        self._cluster = Cluster(config.namespace, "grant the account the Role of docs/deploy.md")
        self._seen: dict[str, int] = {}
        self._view = View(self._cluster)
        self.where = f"InferenceService {config.namespace}/{name}"

    @property
    def splits(self) -> bool:
        """Whether traffic can be split: a Deployment's can't."""
        service = self._read(self._name)
        return service is None or not service.is_standard

    def look(self) -> list[Placed]:
        """Returns the versions that have a share of the traffic, and the one that the service is to serve."""
        service = self._read(self._name)
        self._seen = {self._name: service.metadata.generation if service else 0}
        return self._view.shares(service) if service else []

    def plan(self, candidate: Candidate, percent: int) -> str:
        """Returns the manifest, as it will be once the version has its share."""
        manifest = manifest_of(self._name, self._config, self._predictor(candidate, 1, percent), check=False)
        return str(yaml.safe_dump(manifest, sort_keys=False))

    def stage(self, candidate: Candidate) -> None:
        """Brings a version up: as the newest revision, without traffic, or as a service beside it."""
        if self._comes_with_traffic(self._read(self._name), candidate):
            self._bring_up(self._checking, candidate)
        else:
            self._bring_up(self._name, candidate, canary=0)

    def ask(self, candidate: Candidate) -> bytes:
        """Asks the version at the address of its tag, or of the service beside."""
        name = self._name
        service = self._read(name)
        if self._comes_with_traffic(service, candidate):
            name = self._checking
            service = self._read(name)
        url = self._view.url(service, candidate.version) if service else ""
        if not url:
            raise OvertakenError(f"{self.where} does not run {candidate.version[:12]} any more.")
        return predict(f"{url}/v1/models/{name}:predict", candidate.request, self._config.ingress)

    def move(self, candidate: Candidate, percent: int) -> None:
        """Gives a version its share, and waits until KServe says that it has it."""
        service = self._read(self._name)
        if service and service.is_standard and percent < 100:
            raise GraftError(f"{self.where} is a Deployment, which can't split traffic: leave canary out.")
        if self._comes_with_traffic(service, candidate):
            self._bring_up(self._name, candidate)
            service = self._read(self._name)
        if service and service.is_standard:
            return

        def share(service: Service | None) -> Mapping[str, object] | None:
            if service is None or candidate.version not in self._view.running(service):
                raise OvertakenError(f"{self.where} does not run {candidate.version[:12]} any more.")
            wanted = percent if service.mark.version == candidate.version else 100 - percent
            return None if service.canary == wanted else {"spec": {"predictor": {"canaryTrafficPercent": wanted}}}

        generation = self._change(self._name, share)
        self._wait(
            self._name, generation, lambda service: self._view.has(service, candidate.version, percent), "move traffic"
        )

    def clean(self, promoted: Sequence[str]) -> None:
        """Removes the service that checked a version. Knative itself removes revisions without traffic."""
        if self._view.is_check(self._checking):
            self._cluster.delete(SERVICES, self._checking)

    def _comes_with_traffic(self, service: Service | None, candidate: Candidate) -> bool:
        """Whether the service would give a version traffic as soon as it is up: it is no revision beside one that has the traffic."""
        if service is None:
            return True
        is_alone = service.is_standard or not service.predictor.latest_rolledout_revision
        return is_alone and candidate.version not in self._view.running(service)

    def _predictor(self, candidate: Candidate, attempt: int, canary: int | None) -> dict[str, object]:
        if not candidate.uri.startswith(("gs://", "s3://")):
            raise GraftError(
                f"KServe can't fetch {storage.redact(candidate.uri)}: the store has to be at gs:// or s3://, where its pods may read it."
            )
        predictor = predictor_of(candidate, self._config, attempt)
        return predictor if canary is None else {"canaryTrafficPercent": canary, **predictor}

    def _bring_up(self, name: str, candidate: Candidate, canary: int | None = None) -> None:
        """Has a service run a version, and waits until it does."""

        def version(service: Service | None) -> Mapping[str, object] | None:
            if service is None:
                return self._predictor(candidate, 1, None)
            if candidate.version in self._view.running(service):
                return None
            is_same = service.mark.version == candidate.version
            if is_same and not self._view.failure(service):
                return None
            # KServe does not try again what has failed; another attempt makes a new revision, or new pods.
            attempt = service.mark.attempt + 1 if is_same else 1
            return {"spec": {"predictor": self._predictor(candidate, attempt, canary)}}

        generation = self._change(name, version)
        log.info("%s: waiting for %s to come up, up to %d s", self.where, candidate.version[:12], self._config.timeout)

        def is_up(service: Service) -> bool:
            if candidate.version in self._view.running(service):
                return True
            if failure := self._view.failure(service):
                raise GraftError(f"{self.where} can't bring {candidate.version[:12]} up: {failure}.")
            return False

        self._wait(name, generation, is_up, f"bring {candidate.version[:12]} up")

    def _change(self, name: str, change: _Change) -> int:
        """Changes a service, and returns its generation then.

        Args:
            name: The service.
            change: Says what is to be changed; for None in place of a service its predictor. It returns None if it is as it should be.

        Raises:
            OvertakenError: Somebody else did since `look`.
        """
        for _ in range(_CONFLICTS):
            service = self._read(name)
            wanted = change(service)
            generation = service.metadata.generation if service else 0
            if wanted is None:
                self._seen[name] = generation
                return generation
            if generation != self._seen.setdefault(name, generation):
                raise OvertakenError(f"{self.where} was changed meanwhile.")
            with contextlib.suppress(ConflictError):  # which reading it again explains
                if service is None:
                    manifest = manifest_of(name, self._config, wanted, check=name == self._checking)
                    self._cluster.create(SERVICES, name, manifest)
                else:
                    metadata = {"resourceVersion": service.metadata.resource_version}
                    self._cluster.patch(SERVICES, name, {"metadata": metadata, **wanted})
        raise GraftError(f"{self.where} is being changed all the time: see who does, and try again.")

    def _wait(self, name: str, generation: int, done: Callable[[Service], bool], what: str) -> None:
        troubles = ""
        for _ in self._polls():
            service = self._read(name)
            if service is None or service.metadata.generation != generation:
                raise OvertakenError(f"{self.where} was changed meanwhile.")
            if done(service):
                return
            troubles = service.troubles
        raise GraftError(
            f"{self.where} took more than {self._config.timeout} s to {what}: {troubles}. "
            f"Look at it by kubectl describe inferenceservice {name} --namespace {self._config.namespace}."
        )

    def _polls(self) -> Iterator[None]:
        for _ in range(max(1, self._config.timeout // _POLL)):
            yield
            time.sleep(_POLL)

    def _read(self, name: str) -> Service | None:
        """Returns a service; None if there is none. One that is being deleted is waited for."""
        for _ in self._polls():
            service = self._view.find(name, check=name == self._checking)
            if service is None or not service.metadata.deletion_timestamp:
                return service
        raise GraftError(
            f"The InferenceService {self._config.namespace}/{name} is being deleted: try again once it is gone."
        )
