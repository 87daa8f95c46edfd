"""Packages that only some commands need, the extra of Graft that brings each, and what to do where one is missing."""

from collections.abc import Iterable
from importlib.util import find_spec

from graft.components.common.errors import GraftError

EXTRAS = {
    "cpu": ("tensorflow", "keras", "tensorboard"),
    "pipelines": ("kfp", "kfp_server_api", "cronsim", "docker", "tzdata"),
    "vertex": ("google.cloud.aiplatform", "google.cloud.aiplatform_v1"),
    "kserve": ("kubernetes",),
    "s3": ("s3fs",),
    "heic": ("pi_heif",),
    "tune": ("optuna",),
    "formats": ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"),
}
"""The packages of every extra, by their import names. `gpu` brings what `cpu` brings."""


def how_to_install(*packages: str) -> str:
    """Returns what installs packages, as the end of a sentence.

    >>> how_to_install("kfp.local", "tensorflow")
    "pip install 'graft[cpu,pipelines]'"

    Args:
        packages: The import names of them, or of modules in them.
    """
    extras = [extra for extra, known in EXTRAS.items() if any(_is_in(package, known) for package in packages)]
    return f"pip install 'graft[{','.join(extras)}]'" if extras else "install Graft again, with what it depends on"


def _is_in(module: str, packages: Iterable[str]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def require(what: str, packages: Iterable[str]) -> None:
    """Checks that packages are there, without importing them.

    Args:
        what: What needs them, as the beginning of a sentence.
        packages: Their import names, none of which has a dot.

    Raises:
        GraftError: One of them is missing.
    """
    if missing := [package for package in packages if find_spec(package) is None]:
        raise GraftError(f"{what} needs {', '.join(missing)}: {how_to_install(*missing)}.")
