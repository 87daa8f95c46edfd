"""KServe: an InferenceService, whose revisions or Deployment serve a model's versions."""

import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import yaml

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.services.kubernetes import Cluster, ConflictError
from graft.components.deploy.candidate import Candidate
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.inference_service import (
    DEPLOYMENTS,
    REVISIONS,
    SERVICES,
    Condition,
    Deployment,
    Mark,
    Revision,
    Service,
    manifest_of,
    mark_of,
    parse,
    predictor_of,
)
from graft.components.deploy.targets.kserve_request import predict
from graft.components.deploy.targets.target import OvertakenError, Placed, Target

log = logging.getLogger("graft")

_Change = Callable[[Service | None], Mapping[str, object] | None]

# KServe's pattern, and as long that the host of Knative's tag for it, latest-NAME-predictor, is a name of DNS.
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,43}[a-z0-9])?")
_CHECK = "check"
_POLL = 5
# Each further one is for a change that KServe made meanwhile: it writes what it does into the same object.
_CONFLICTS = 20


class KServeTarget(Target):
    """An InferenceService of the model's name.

    Where it runs on Knative, a version is a revision, which comes up without traffic. Where it is a Deployment, which moves traffic as its
    pods are replaced, a version is checked by a second InferenceService beside it before.

    Args:
        name: The model's name.
        config: Where the service is, and how it runs.

    Raises:
        GraftError: The name can't be that of an InferenceService, or there is no cluster.
    """

    def __init__(self, name: str, config: DeployConfig) -> None:
        if not _NAME.fullmatch(name):
            raise GraftError(
                f"{name!r} can't be the name of an InferenceService, which has at most 45 lower-case letters, digits and hyphens and "
                "begins with a letter: give the model another name."
            )
        self._name, self._config = name, config
        self._checking = f"{name}-{_CHECK}"
        self._cluster = Cluster(config.namespace, "grant the account the Role of docs/deploy.md")
        self._seen: dict[str, int] = {}
        self._marks: dict[str, Mark] = {}
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
        if service is None:
            return []
        if service.is_standard:
            percent = 100 if service.mark.version in self._running(service) else 0
            return [Placed(service.mark.version, percent, f"Deployment {self._name}-predictor", service.mark.counter)]
        return self._shares(service)

    def plan(self, candidate: Candidate, percent: int) -> str:
        """Returns the manifest, as it will be once the version has its share."""
        manifest = manifest_of(self._name, self._config, self._predictor(candidate, 1, percent), check=False)
        return str(yaml.safe_dump(manifest, sort_keys=False))

    def stage(self, candidate: Candidate) -> None:
        """Brings a version up: as the newest revision, without traffic, or as a service beside it; the first one as the service."""
        service = self._read(self._name)
        if service is None or not service.is_standard:
            self._bring_up(self._name, candidate, canary=0 if service else None)
        elif not self._serves(service, candidate.version):
            self._bring_up(self._checking, candidate)

    def ask(self, candidate: Candidate) -> bytes:
        """Asks the version at the address of its tag, or of the service beside."""
        name = self._name
        service = self._read(name)
        if service and service.is_standard and not self._serves(service, candidate.version):
            name = self._checking
            service = self._read(name)
        urls = self._urls(service, candidate.version) if service else []
        if not urls:
            raise OvertakenError(f"{self.where} does not run {candidate.version[:12]} any more.")
        return predict(f"{urls[0]}/v1/models/{name}:predict", candidate.request, self._config.ingress)

    def move(self, candidate: Candidate, percent: int) -> None:
        """Gives a version its share, and waits until KServe says that it has it."""
        service = self._read(self._name)
        if service and service.is_standard:
            if percent < 100:
                raise GraftError(f"{self.where} is a Deployment, which can't split traffic: leave canary out.")
            self._bring_up(self._name, candidate)
            return

        def share(service: Service | None) -> Mapping[str, object] | None:
            if service is None or candidate.version not in self._running(service):
                raise OvertakenError(f"{self.where} does not run {candidate.version[:12]} any more.")
            wanted = percent if service.mark.version == candidate.version else 100 - percent
            return None if service.canary == wanted else {"spec": {"predictor": {"canaryTrafficPercent": wanted}}}

        generation = self._change(self._name, share)
        self._wait(
            self._name, generation, lambda service: self._has(service, candidate.version, percent), "move traffic"
        )

    def clean(self, promoted: Sequence[str]) -> None:
        """Removes the service that checked a version. Knative itself removes revisions without traffic."""
        service = self._read(self._name)
        if service and service.is_standard and self._read(self._checking):
            self._cluster.delete(SERVICES, self._checking)

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
            if candidate.version in self._running(service):
                return None
            is_same = service.mark.version == candidate.version
            if is_same and not self._failure(service):
                return None
            # KServe does not try again what has failed; another attempt makes a new revision, or new pods.
            attempt = service.mark.attempt + 1 if is_same else 1
            return {"spec": {"predictor": self._predictor(candidate, attempt, canary)}}

        generation = self._change(name, version)
        log.info("%s: waiting for %s to come up, up to %d s", self.where, candidate.version[:12], self._config.timeout)

        def is_up(service: Service) -> bool:
            if candidate.version in self._running(service):
                return True
            if failure := self._failure(service):
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
        where = f"The InferenceService {self._config.namespace}/{name}"
        for _ in self._polls():
            content = self._cluster.get(SERVICES, name)
            if content is None:
                return None
            service = parse(Service, content, where)
            if not service.is_ours(check=name == self._checking):
                raise GraftError(
                    f"{where} was not made by Graft, which leaves it as it is: delete it, use another namespace, or give the model "
                    "another name."
                )
            if not service.is_known:
                raise GraftError(
                    f"{where} runs in the mode {service.status.deployment_mode}: Graft knows Knative and Standard."
                )
            if not service.metadata.deletion_timestamp:
                return service
        raise GraftError(f"{where} is being deleted: try again once it is gone.")

    def _shares(self, service: Service) -> list[Placed]:
        """Returns the versions of a service on Knative: each with what it gets now, or soon if that is less."""
        predictor, coming = service.predictor, service.mark
        marks = {one.revision_name: self._mark(one.revision_name) for one in predictor.traffic}
        now, soon = Counter[str](), Counter[str]()
        for one in predictor.traffic:
            now[marks[one.revision_name].version] += one.percent
        rolled_out = predictor.latest_rolledout_revision
        soon[coming.version] = service.canary if rolled_out else 100
        if rolled_out:
            soon[self._mark(rolled_out).version] += 100 - service.canary
        names = {mark.version: (name, mark) for name, mark in sorted(marks.items())}
        names.setdefault(coming.version, ("", coming))
        order = sorted(names, key=lambda version: version == coming.version)
        return [
            Placed(version, min(now[version], soon[version]), names[version][0], names[version][1].counter)
            for version in order
        ]

    def _has(self, service: Service, version: str, percent: int) -> bool:
        """Tells whether a version on Knative has its share, and the way there is open."""
        route = service.condition("PredictorRouteReady")
        shares = Counter[str]()
        for one in service.predictor.traffic:
            shares[self._mark(one.revision_name).version] += one.percent
        return route is not None and route.status == "True" and shares[version] == percent and shares.total() == 100

    def _serves(self, service: Service, version: str) -> bool:
        """Tells whether a service's Deployment runs a version, and nothing else."""
        deployment = self._deployment(service)
        return deployment is not None and deployment.is_complete and deployment.mark.version == version

    def _running(self, service: Service) -> set[str]:
        """Returns the versions of a service that can answer."""
        if not service.is_standard:
            return {self._mark(one.revision_name).version for one in service.predictor.traffic}
        deployment = self._deployment(service)
        done = deployment is not None and deployment.is_complete and deployment.mark == service.mark
        return {service.mark.version} if done else set()

    def _failure(self, service: Service) -> Condition | None:
        """Returns why the newest version of a service does not come up, once KServe has given it up."""
        if service.is_standard:
            deployment = self._deployment(service)
            return deployment.failure if deployment and deployment.mark == service.mark else None
        configuration = service.condition("PredictorConfigurationReady")
        if configuration is None or configuration.status != "False":
            return None
        return configuration if self._mark(service.predictor.latest_created_revision) == service.mark else None

    def _urls(self, service: Service, version: str) -> list[str]:
        if service.is_standard:
            return [service.status.url] if service.status.url and version in self._running(service) else []
        traffic = service.predictor.traffic
        return [one.url for one in traffic if one.url and self._mark(one.revision_name).version == version]

    def _mark(self, revision: str) -> Mark:
        """Returns what Graft wrote beside a revision, which doesn't change."""
        if revision and revision not in self._marks:
            content = self._cluster.get(REVISIONS, revision)
            if content is None:
                return Mark.model_validate({})
            annotations = parse(Revision, content, f"The revision {revision}").metadata.annotations
            self._marks[revision] = mark_of(annotations)
        return self._marks.get(revision, Mark.model_validate({}))

    def _deployment(self, service: Service) -> Deployment | None:
        name = f"{service.metadata.name}-predictor"
        content = self._cluster.get(DEPLOYMENTS, name)
        return parse(Deployment, content, f"The Deployment {name}") if content else None
