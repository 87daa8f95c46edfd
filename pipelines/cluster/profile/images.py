"""Images by digest: a tag can be moved afterwards, which would change a schedule's code without a trace."""

import contextlib
import json
import logging
import re
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.profile.fields import Images, Profile

log = logging.getLogger("graft")

_SECONDS = 5
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?", re.ASCII)


def images_of(profile: Profile, path: Path | None) -> Images:
    """Returns a profile's images, from the file that it names if it doesn't list them.

    That file lies beside the profile's, or, for the default profile, which has no path, in the working directory.

    Raises:
        GraftError: The file that it names is missing, or not what `make push` writes.
    """
    if isinstance(profile.images, Images):
        return profile.images
    file = (path.parent if path else Path()) / profile.images
    try:
        return Images.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise GraftError(
            f"{file} doesn't exist: write it by `make push REGISTRY=…`, or name the images in the profile."
        ) from error
    except (OSError, ValueError) as error:
        raise GraftError(f"{file} is not what `make push` writes ({error}): write it again.") from error


def pinned_images(profile: Profile, path: Path | None, *, allow_tag: bool) -> Images:
    """Returns the images that a profile uses, each by digest unless tags are allowed.

    Args:
        profile: Says which images there are, and whether one for GPUs is used.
        path: The profile's file; None for the default profile.
        allow_tag: Whether to leave tags as they are, for development.

    Raises:
        GraftError: An image is missing, no image reference, or a tag whose digest no registry tells.
    """
    images = images_of(profile, path)
    if profile.gpu and not images.gpu:
        raise GraftError(
            "images.gpu: the profile asks for a GPU, but names no GPU image: build it by `make image-gpu` and push it."
        )
    used = {"cpu": images.cpu, **({"gpu": images.gpu} if profile.gpu else {})}
    return Images(**{name: _pinned(name, image, allow_tag) for name, image in used.items()})


def unknown_images(images: Images) -> list[str]:
    """Returns the images by digest that their registry says it does not have, as far as this machine's Docker Engine may ask.

    A registry that does not answer is not asked again.
    """
    import docker
    from requests import RequestException  # docker's own

    unknown = []
    with (
        contextlib.suppress(docker.errors.DockerException, RequestException),
        contextlib.closing(docker.from_env(timeout=_SECONDS)) as client,
    ):
        for image in dict.fromkeys(image for image in (images.cpu, images.gpu) if "@sha256:" in image):
            try:
                client.images.get_registry_data(image)
            except docker.errors.NotFound:
                unknown.append(image)
            except docker.errors.APIError as error:  # may not be asked
                log.debug("%s can't be looked at: %s", image, error)
    return unknown


def _pinned(name: str, image: str, allow_tag: bool) -> str:
    if not _REFERENCE.fullmatch(image):
        raise GraftError(f"images.{name}: {image!r} is no image: write it like REGISTRY/graft@sha256:….")
    if allow_tag or "@sha256:" in image:
        return image
    refusal = (
        f"images.{name}: {image} is a tag, which can be moved: name the digest, as `make push` writes it to images.json, "
        "or use --allow-tag for development"
    )
    registry = image.partition("/")[0]
    if not ("/" in image and ("." in registry or ":" in registry or registry == "localhost")):
        raise GraftError(f"{refusal}.")
    digest = _ask_registry(image, refusal)
    repository = re.sub(r":[\w][\w.-]*$", "", image)
    log.info("%s is %s@%s", image, repository, digest)
    return f"{repository}@{digest}"


def _ask_registry(image: str, refusal: str) -> str:
    """Asks an image's registry for the digest of its tag, by the Docker Engine, which knows how to log in there."""
    import docker
    from requests import RequestException  # docker's own

    try:
        with contextlib.closing(docker.from_env()) as client:
            return str(client.images.get_registry_data(image).id)
    except docker.errors.APIError as error:
        raise GraftError(f"{refusal}. Its digest can't be had: {error.explanation or error}") from error
    except (docker.errors.DockerException, RequestException) as error:
        raise GraftError(
            f"{refusal}. Its digest can't be had: no Docker Engine answers here to ask the registry."
        ) from error
