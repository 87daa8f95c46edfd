"""What `graft doctor --target` looks at: the profile's images and secrets, the installation, and access to the cluster."""

import logging
from functools import partial

from graft.components.common.findings import Finding, Look, look_at_all
from graft.components.common.services.api_client import LostContactError
from graft.components.deploy.opening import look_at_target
from graft.pipelines.cluster.connecting import Cluster, connect
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.profile.images import pinned_images, unknown_images

log = logging.getLogger("graft")

_DIGITS = 12  # of an image's digest
_WAY = "Check the address, and whether the network lets this machine through."


def cluster_looks(cluster: Cluster, profile: Profile) -> list[Look]:
    """Returns the looks at a cluster.

    Args:
        cluster: The cluster, and who the user is there.
        profile: The cluster's profile.
    """
    looks = [
        Look("Images", partial(_look_at_images, cluster, profile), "Check that the registry can be reached."),
        *_looks_at_installation(cluster, profile),
        Look("Access", partial(_look_at_access, cluster, profile), _WAY),
    ]
    if profile.deploy:
        looks.append(Look("Deploy", partial(look_at_target, profile.deploy), _WAY, needed=False))
    return looks


def warn_of_installation(cluster: Cluster, profile: Profile) -> None:
    """Warns of what an installation does otherwise than a run needs, as far as it may be looked at."""
    for found in look_at_all(_looks_at_installation(cluster, profile)):
        if found.remedy and not found.ok:  # what can't be looked at has none
            log.warning("%s. %s", found.text, found.remedy)


def _looks_at_installation(cluster: Cluster, profile: Profile) -> list[Look]:
    if cluster.target != "kubeflow":
        return []
    from graft.pipelines.cluster.kubeflow.installation import look_at_retries, look_at_secrets, wanted_secrets

    looks = [Look("Retries", look_at_retries, needed=False)]
    if wanted_secrets(profile):
        namespace = cluster.namespace or profile.kubeflow.namespace
        looks.append(Look("Secrets", partial(look_at_secrets, profile, namespace), needed=False))
    return looks


def _look_at_images(cluster: Cluster, profile: Profile) -> Finding:
    images = pinned_images(profile, cluster.profile, allow_tag=cluster.allow_tag)
    used = {"cpu": images.cpu, "gpu": images.gpu}
    if unknown := unknown_images(images):
        text = f"the registry has no {' and no '.join(map(_short, unknown))}"
        return Finding("Images", False, text, "Push it by `make push`, or name another: a step on it does not start.")
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
