"""Running the pipeline's steps in containers of the local Docker Engine, by kfp.local's DockerRunner."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY, is_pem
from graft.components.common.ending import undone
from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding
from graft.components.common.progress_lines import SWITCH
from graft.components.common.storage import brief

# What the caller's environment says about the network and its clouds holds in the containers too.
_PASSED = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", SWITCH),
)
_KEYS = (SIGNING_KEY, VERIFY_KEY)
# Files that variables name are mounted, read-only, under the same path.
_PASSED_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GOOGLE_APPLICATION_CREDENTIALS", *_KEYS)
_LABEL = "graft.run"
_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class DockerOptions:
    """Options of containers, for the docker runner.

    Attributes:
        image: Image of the steps.
        network: Docker network of the steps, such as host or none; the engine's default if not given.
        memory: Memory limit of a step, such as 4g; none if not given.
    """

    image: str = "graft:cpu"
    network: str = ""
    memory: str = ""


@contextlib.contextmanager
def docker_runner(options: DockerOptions, run_id: str, inputs: list[str], store: str) -> Iterator[Any]:
    """Sets up kfp's DockerRunner so that its containers do what the same steps do without Docker.

    Args:
        options: Image, network and memory.
        run_id: The run; its containers are labelled with it, and stopped if the run is interrupted.
        inputs: Local paths that the steps read.
        store: Local path of the store, or empty if it is remote.

    Yields:
        The runner.

    Raises:
        GraftError: No Docker Engine answers, or it doesn't have the image.
    """
    import docker
    from kfp import local

    try:
        client = docker.from_env()
        engine = client.info()
    except docker.errors.DockerException as error:
        raise GraftError(f"No Docker Engine answers ({error}): start it, or use --runner subprocess.") from error
    with contextlib.closing(client):
        try:
            client.images.get(options.image)
        except docker.errors.ImageNotFound as error:
            raise GraftError(
                f"There is no image {options.image} here: build it with `make images`, or pull it."
            ) from error
        arguments: dict[str, Any] = {
            # kfp sets the command only; with the image's entry point left in place that would be graft's arguments.
            "entrypoint": "",
            "user": f"{os.getuid()}:{os.getgid()}",
            "environment": _environment(),
            "mounts": _mounts(inputs, store),
            "labels": {_LABEL: run_id},
            "security_opt": ["no-new-privileges"],
            "cap_drop": ["ALL"],
        }
        if options.network:
            arguments["network"] = options.network
        if options.memory:
            arguments |= {"mem_limit": options.memory, "memswap_limit": options.memory}
        if "nvidia" in engine.get("Runtimes", {}):
            arguments["device_requests"] = [docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])]

        def stop() -> None:
            for container in client.containers.list(filters={"label": f"{_LABEL}={run_id}"}):
                with contextlib.suppress(docker.errors.APIError):  # it may end by itself meanwhile
                    container.kill()

        with undone(stop):
            try:
                yield local.DockerRunner(**arguments)
            finally:
                stop()


def look_at_docker(image: str) -> Finding:
    """Tells whether a Docker Engine answers, and has the image of the steps. Only `--runner docker` needs them.

    Args:
        image: The image.
    """
    import docker

    try:
        with contextlib.closing(docker.from_env(timeout=_SECONDS)) as client:
            engine = f"Engine {client.version()['Version']}"
            client.images.get(image)
    except docker.errors.ImageNotFound:
        remedy = "Build it by make images, or pull it."
        return Finding("Docker", False, f"{engine}, without the image {image}", remedy, needed=False)
    except docker.errors.DockerException as error:
        remedy = "Start it for --runner docker; graft run does without."
        return Finding("Docker", False, f"no Docker Engine answers ({brief(error)})", remedy, needed=False)
    return Finding("Docker", ok=True, text=f"{engine}, with the image {image}", needed=False)


def _environment() -> dict[str, str]:
    keys = [name for name in _KEYS if is_pem(os.environ.get(name, ""))]
    return {name: os.environ[name] for name in (*_PASSED, *_certificates(), *keys) if name in os.environ}


def _certificates() -> list[str]:
    named = {name: os.environ.get(name) or "/nonexistent" for name in _PASSED_FILES}
    return [name for name, value in named.items() if not is_pem(value) and Path(value).is_file()]


def _mounts(inputs: list[str], store: str) -> list[Any]:
    from docker.types import Mount

    read = {*inputs, *(str(Path(os.environ[name]).absolute()) for name in _certificates())}
    mounts = [Mount(path, str(Path(path).resolve()), type="bind", read_only=True) for path in sorted(read)]
    if store:
        Path(store).mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(store, str(Path(store).resolve()), type="bind"))
    return mounts
