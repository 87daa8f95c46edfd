"""What a cluster with KServe runs of a model: the InferenceService, its revisions or its Deployment."""

from collections import Counter

from graft.components.common.errors import GraftError
from graft.components.common.services.kubernetes import Cluster
from graft.components.deploy.targets.inference_service import (
    DEPLOYMENTS,
    REVISIONS,
    SERVICES,
    Condition,
    Deployment,
    Mark,
    Revision,
    Service,
    Traffic,
    mark_of,
    parse,
)
from graft.components.deploy.targets.target import Placed


class View:
    """Reads InferenceServices that Graft made, and what became of them.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._marks: dict[str, Mark] = {}

    def find(self, name: str, *, check: bool) -> Service | None:
        """Returns a service that Graft made, to serve or to check a version; None if there is none of this name.

        Raises:
            GraftError: Somebody else made it, or it runs in a mode that Graft doesn't know.
        """
        content = self._cluster.get(SERVICES, name)
        if content is None:
            return None
        where = f"The InferenceService {self._cluster.namespace}/{name}"
        service = parse(Service, content, where)
        if not service.is_ours(check=check):
            raise GraftError(
                f"{where} was not made by Graft, which leaves it as it is: delete it, use another namespace, or give the model another "
                "name."
            )
        if not service.is_known:
            raise GraftError(f"{where} runs in the mode {service.mode}: Graft knows Knative and Standard.")
        return service

    def is_check(self, name: str) -> bool:
        """Tells whether there is a service of this name that Graft made to check a version, and that is not being deleted."""
        content = self._cluster.get(SERVICES, name)
        if content is None:
            return False
        service = parse(Service, content, name)
        return service.is_ours(check=True) and not service.metadata.deletion_timestamp

    def shares(self, service: Service) -> list[Placed]:
        """Returns the versions of a service, the newest last: each with what it gets now, or soon if that is less."""
        coming = service.mark
        if service.is_standard:
            percent = 100 if coming.version in self.running(service) else 0
            return [Placed(coming.version, percent, f"Deployment {_deployment_of(service)}", coming.counter)]
        marks = {one.revision_name: self._mark(one.revision_name) for one in service.predictor.traffic}
        now, soon = self._now(service), Counter[str]()
        rolled_out = service.predictor.latest_rolledout_revision
        soon[coming.version] = service.canary if rolled_out else 100
        if rolled_out:
            soon[self._mark(rolled_out).version] += 100 - service.canary
        names = {mark.version: (name, mark.counter) for name, mark in sorted(marks.items())}
        names.setdefault(coming.version, ("", coming.counter))
        order = sorted(names, key=lambda version: version == coming.version)
        return [Placed(version, min(now[version], soon[version]), *names[version]) for version in order]

    def has(self, service: Service, version: str, percent: int) -> bool:
        """Tells whether a version has its share, others have the rest, and the way there is open."""
        now, route = self._now(service), service.condition("PredictorRouteReady")
        return route is not None and route.status == "True" and now[version] == percent and now.total() == 100

    def running(self, service: Service) -> set[str]:
        """Returns the versions of a service that can answer and be given traffic."""
        if not service.is_standard:
            return {self._mark(one.revision_name).version for one in self._movable(service)}
        deployment = self._deployment(service)
        done = deployment is not None and deployment.is_complete and deployment.mark == service.mark
        return {service.mark.version} if done else set()

    def failure(self, service: Service) -> Condition | None:
        """Returns why the newest version of a service does not come up, once KServe has given it up."""
        if service.is_standard:
            deployment = self._deployment(service)
            return deployment.failure if deployment and deployment.mark == service.mark else None
        configuration = service.condition("PredictorConfigurationReady")
        if configuration is None or configuration.status != "False":
            return None
        return configuration if self._mark(service.predictor.latest_created_revision) == service.mark else None

    def url(self, service: Service, version: str) -> str:
        """Returns the address at which a version that is running can be asked; empty if it has none."""
        if service.is_standard:
            return service.status.url if version in self.running(service) else ""
        found = [one.url for one in self._movable(service) if self._mark(one.revision_name).version == version]
        return next(filter(None, found), "")

    def _now(self, service: Service) -> Counter[str]:
        now = Counter[str]()
        for one in service.predictor.traffic:
            now[self._mark(one.revision_name).version] += one.percent
        return now

    def _movable(self, service: Service) -> list[Traffic]:
        """Returns what `canaryTrafficPercent` moves traffic between: the newest revision and the one that had all of it.

        An earlier one stands in for the newest until that is ready.
        """
        rolled_out = service.predictor.latest_rolledout_revision
        return [
            one
            for one in service.predictor.traffic
            if one.revision_name == rolled_out or self._mark(one.revision_name) == service.mark
        ]

    def _mark(self, revision: str) -> Mark:
        """Returns what Graft wrote beside a revision, which doesn't change."""
        if revision not in self._marks:
            content = self._cluster.get(REVISIONS, revision) if revision else None
            if content is None:
                return mark_of({})
            self._marks[revision] = mark_of(parse(Revision, content, f"The revision {revision}").metadata.annotations)
        return self._marks[revision]

    def _deployment(self, service: Service) -> Deployment | None:
        name = _deployment_of(service)
        content = self._cluster.get(DEPLOYMENTS, name)
        return parse(Deployment, content, f"The Deployment {name}") if content else None


def _deployment_of(service: Service) -> str:
    return f"{service.metadata.name}-predictor"
