"""Reaching the backend of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.components.common.errors import GraftError

if TYPE_CHECKING:  # the commands import this module, and only some of them need what is behind it
    from graft.pipelines.cluster.access import Access
    from graft.pipelines.cluster.backend import Backend
    from graft.pipelines.cluster.profile import Profile
    from graft.pipelines.cluster.target import TargetOptions


def connect(where: TargetOptions, access: Access, profile: Profile | None = None) -> Backend:
    """Returns the backend of a target.

    Args:
        where: The target and its profile.
        access: Where the backend is, and who the user is there.
        profile: The profile, where it has been read already.

    Raises:
        GraftError: It isn't known where the backend is, or its client is not installed.
    """
    from graft.pipelines.cluster.profile import read_profile

    profile = profile or read_profile(where.profile, where.target)
    if where.target == "kubeflow":
        from graft.pipelines.cluster.kubeflow import Kubeflow

        return Kubeflow(profile, access)
    try:
        from graft.pipelines.cluster.vertex import VertexPipelines
    except ImportError as error:
        raise GraftError(
            "Vertex needs its client: pip install --require-hashes -r requirements/vertex.txt, or install graft[vertex]."
        ) from error
    return VertexPipelines(profile, access)
