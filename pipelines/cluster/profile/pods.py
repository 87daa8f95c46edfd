"""The fields of a profile that are about pods: where they may run, what they are called, and which volumes they have."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graft.pipelines.cluster.profile.section import Memory, Section, Whole

_LABEL = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"


class Toleration(Section):
    """A taint that pods may ignore, as Kubernetes writes it."""

    key: str
    """The taint's key."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """How the value is compared."""
    value: str = ""
    """The taint's value, with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """The taint's effect."""


class NodeAffinity(Section):
    """What a node's label must be, or should be."""

    key: str
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    """How the label's value is compared."""
    values: list[str] = []
    """The values that it is compared with; none with `Exists` and `DoesNotExist`."""
    weight: Annotated[Whole, Field(ge=1, le=100)] | None = None
    """How much such a node is preferred, from 1 to 100; without it only such a node will do."""

    @model_validator(mode="after")
    def _values_as_the_operator_takes_them(self) -> "NodeAffinity":
        if self.operator.endswith(("Exists", "Exist")) == bool(self.values):
            raise ValueError(f"values: {self.operator} takes {'none' if self.values else 'some'}")
        return self


class Volume(Section):
    """A volume that exists for as long as a step's pod, and holds the artifacts that the step reads and writes."""

    size: Memory
    """Its size, such as `200Gi`."""
    storage_class: str = ""
    """The storage class; the cluster's default if not given."""


class Pods(Section):
    """What the pods of all steps get."""

    image_pull_secrets: list[str] = []
    """Secrets with which the images are pulled."""
    tmp: Memory | Literal[""] = ""
    """Size of an `emptyDir` at `/tmp`, such as `20Gi`, for pods whose root file system is read-only."""
    node_affinity: list[NodeAffinity] = []
    """Nodes that the pods must or should run on: all those without a weight hold together."""
    tolerations: list[Toleration] = []
    """Taints that the pods may ignore, such as those of Spot nodes."""
    labels: dict[str, Annotated[str, Field(pattern=_LABEL)]] = {}
    """Labels of the pods."""
    annotations: dict[str, str] = {}
    """Annotations of the pods."""
