"""Which cluster a command is about, and how it is reached."""

import dataclasses

from cyclopts import Parameter

from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install
from graft.pipelines.cluster.backend import Backend
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.cluster.target import TargetOptions


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class Cluster(Access, TargetOptions):
    """Which cluster a command is about, where it is, and who the user is there."""


def connect(cluster: Cluster, profile: Profile | None = None) -> Backend:
    """Returns the backend of a target, as its profile says. Only that target's client is loaded: Vertex's is an extra.

    Raises:
        GraftError: It isn't known where the backend is, or its client is not installed.
    """
    profile = profile or read_profile(cluster.profile, cluster.target)
    if cluster.target == "kubeflow":
        from graft.pipelines.cluster.kubeflow.pipelines import KubeflowPipelines

        return KubeflowPipelines(profile, cluster)
    try:
        from graft.pipelines.cluster.vertex.pipelines import VertexPipelines
    except ImportError as error:
        raise GraftError(f"Vertex needs its client: {how_to_install('google.cloud.aiplatform')}.") from error
    return VertexPipelines(profile, cluster)
