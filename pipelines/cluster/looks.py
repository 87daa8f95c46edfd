"""What `graft doctor --target` looks at: the profile, its images, and access to the cluster."""

from functools import partial

from graft.components.common.findings import Finding, Look
from graft.pipelines.cluster.backend import LostContactError
from graft.pipelines.cluster.connecting import Cluster, connect
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.profile.images import pinned_images

_DIGITS = 12  # of an image's digest
_WAY = "Check the address, and whether the network lets this machine through."


def cluster_looks(cluster: Cluster, profile: Profile) -> list[Look]:
    """Returns the looks at a cluster.

    Args:
        cluster: The cluster, and who the user is there.
        profile: The cluster's profile.
    """
    return [
        Look("Images", partial(_look_at_images, cluster, profile), "Check that the registry can be reached."),
        Look("Access", partial(_look_at_access, cluster, profile), _WAY),
    ]


def _look_at_images(cluster: Cluster, profile: Profile) -> Finding:
    images = pinned_images(profile, cluster.profile, allow_tag=cluster.allow_tag)
    used = {"cpu": images.cpu, "gpu": images.gpu}
    return Finding(
        "Images", ok=True, text=", ".join(f"{kind} {_short(image)}" for kind, image in used.items() if image)
    )


def _short(image: str) -> str:
    name, at, digest = image.partition("@sha256:")
    return f"{name}{at}{digest[:_DIGITS]}"


def _look_at_access(cluster: Cluster, profile: Profile) -> Finding:
    try:
        return Finding("Access", ok=True, text=f"{connect(cluster, profile).check_access()} answers")
    except LostContactError as error:
        return Finding("Access", False, str(error), _WAY)
