"""What a run would run on: Graft's own code, and the packages that the results depend on."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import graft.components.resolve

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "scikit-learn", "scipy")


def code_digest() -> str:
    """Returns a digest of the steps' code and of the versions of what they compute with: the same in every image of the same content.

    The digest of an image can't be seen from inside it, and changes also where nothing that counts does.
    """
    digest = hashlib.sha256()
    for package in _PACKAGES:
        digest.update(f"{package} {_version(package)}\n".encode())
    components = Path(graft.components.resolve.__file__).parents[1]
    for path in sorted(components.rglob("*")):
        if path.suffix in (".py", ".j2"):
            digest.update(
                f"{path.relative_to(components).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
            )
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
