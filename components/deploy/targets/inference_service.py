"""InferenceServices of KServe: what the cluster says of one, and of what KServe makes of it.

The fields are those of KServe's pkg/apis/serving/v1beta1, Knative's pkg/apis/serving/v1 and Kubernetes' apps/v1.
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from graft.components.common.errors import GraftError
from graft.components.common.services.kubernetes import Kind

SERVICES = Kind("serving.kserve.io", "v1beta1", "inferenceservices")
REVISIONS = Kind("serving.knative.dev", "v1", "revisions")
DEPLOYMENTS = Kind("apps", "v1", "deployments")

_VERSION, _ATTEMPT, _COUNTER = "graft/version", "graft/attempt", "graft/counter"
OWNER, ROLE = "app.kubernetes.io/managed-by", "app.kubernetes.io/component"
# As KServe says it since 0.16, and before.
_STANDARD, _KNATIVE = ("Standard", "RawDeployment"), ("Knative", "Serverless", "")

_Object = TypeVar("_Object", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _Metadata(_Part):
    name: str
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class Condition(_Part):
    """A condition of a status."""

    type: str
    status: str
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.type} is {self.status}: {' '.join(f'{self.reason} {self.message}'.split())}"


class Mark(_Part):
    """What Graft writes beside a version, where KServe hands it on to the version's pods.

    Attributes:
        version: The version's name in the registry; empty for what Graft did not put there.
        attempt: How often it was tried to bring it up.
        counter: The counter of its candidate.
    """

    version: str = Field("", alias=_VERSION, pattern="^([0-9a-f]{64})?$")
    attempt: int = Field(0, alias=_ATTEMPT)
    counter: int = Field(0, alias=_COUNTER)

    @classmethod
    def of(cls, version: str, attempt: int, counter: int) -> "Mark":
        """Returns the mark of a version."""
        return cls.model_validate({_VERSION: version, _ATTEMPT: attempt, _COUNTER: counter})

    def annotations(self) -> dict[str, str]:
        """Returns it as annotations."""
        return {_VERSION: self.version, _ATTEMPT: str(self.attempt), _COUNTER: str(self.counter)}


class Traffic(_Part):
    """A share of the traffic, as Knative tells it."""

    revision_name: str = ""
    latest_revision: bool = False
    percent: int = 0
    url: str = ""


class _Component(_Part):
    latest_created_revision: str = ""
    latest_rolledout_revision: str = ""
    traffic: tuple[Traffic, ...] = ()


class _Status(_Part):
    deployment_mode: str = ""
    url: str = ""
    components: Mapping[str, _Component] = {}
    conditions: tuple[Condition, ...] = ()


class _Predictor(_Part):
    canary_traffic_percent: int | None = None
    annotations: Mapping[str, str] = {}


class _Spec(_Part):
    predictor: _Predictor


class Service(_Part):
    """An InferenceService as the cluster has it."""

    metadata: _Metadata
    spec: _Spec
    status: _Status = _Status()

    @property
    def mark(self) -> Mark:
        """What version it is to serve."""
        return mark_of(self.spec.predictor.annotations)

    @property
    def canary(self) -> int:
        """The share that this version is to get."""
        percent = self.spec.predictor.canary_traffic_percent
        return 100 if percent is None else percent

    @property
    def predictor(self) -> _Component:
        """What is there to answer."""
        return self.status.components.get("predictor", _Component())

    @property
    def mode(self) -> str:
        """How it runs, as KServe found, or as its webhook wrote when it was made; empty for KServe's first mode, Knative."""
        return self.status.deployment_mode or self.metadata.annotations.get("serving.kserve.io/deploymentMode", "")

    @property
    def is_standard(self) -> bool:
        """Whether it runs without Knative, as a Deployment."""
        return self.mode in _STANDARD

    @property
    def is_known(self) -> bool:
        """Whether Graft knows how traffic moves in its mode."""
        return self.mode in (*_STANDARD, *_KNATIVE)

    def is_ours(self, *, check: bool) -> bool:
        """Whether Graft made it: to serve, or to check a version."""
        return self.metadata.labels.get(OWNER) == "graft" and (self.metadata.labels.get(ROLE) == "check") == check

    def condition(self, kind: str) -> Condition | None:
        """Returns a condition; None if nothing is known of it."""
        return next((condition for condition in self.status.conditions if condition.type == kind), None)

    @property
    def troubles(self) -> str:
        """What is not as it should be, for people."""
        told = [
            str(condition) for condition in self.status.conditions if condition.status != "True" and condition.reason
        ]
        return "; ".join(told)[:500] or "KServe says nothing of it"


class Revision(_Part):
    """A revision of a Knative service: what came of a version."""

    metadata: _Metadata


class _TemplateMetadata(_Part):
    annotations: Mapping[str, str] = {}


class _Template(_Part):
    metadata: _TemplateMetadata = _TemplateMetadata()


class _DeploymentSpec(_Part):
    replicas: int = 1
    template: _Template


class _DeploymentStatus(_Part):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(_Part):
    """The Deployment of a service that runs without Knative."""

    metadata: _Metadata
    spec: _DeploymentSpec
    status: _DeploymentStatus = _DeploymentStatus()

    @property
    def mark(self) -> Mark:
        """What version it serves, or is about to."""
        return mark_of(self.spec.template.metadata.annotations)

    @property
    def is_complete(self) -> bool:
        """Whether all its pods are of its latest template and none is left of an earlier one, as `kubectl rollout status` has it."""
        wanted, status = self.spec.replicas, self.status
        counts = {status.replicas, status.updated_replicas, status.available_replicas}
        return wanted > 0 and status.observed_generation >= self.metadata.generation and counts == {wanted}

    @property
    def failure(self) -> Condition | None:
        """Why its pods don't come up, once it has given up waiting for them; None while they may."""
        if self.status.observed_generation < self.metadata.generation:
            return None
        return next(
            (one for one in self.status.conditions if one.type == "Progressing" and one.status == "False"), None
        )


def parse(kind: type[_Object], content: bytes, where: str) -> _Object:
    """Reads what the cluster answered.

    Raises:
        GraftError: It is no such object.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"]))
        raise GraftError(
            f"{where}: the cluster answers what is no {kind.__name__} ({field}: {problem['msg']})."
        ) from error


def mark_of(annotations: Mapping[str, str]) -> Mark:
    """Reads what Graft wrote beside a version; a mark of no version if it wrote nothing, or somebody else changed it."""
    try:
        return Mark.model_validate(annotations)
    except ValidationError:
        return Mark.model_validate({})
