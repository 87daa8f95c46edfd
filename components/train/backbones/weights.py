"""A backbone's pretrained weights: checked to be that backbone's before any work starts, and made readable for Keras."""

import dataclasses
import os
from pathlib import Path
from typing import Any, Self

import h5py

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding
from graft.components.train.backbones.architecture import Architecture
from graft.components.train.backbones.known import ARCHITECTURES, DEFAULT, architecture_of
from graft.components.train.config import TrainConfig

IMAGENET, RANDOM = "imagenet", "random"
NAMED = (IMAGENET, RANDOM)
_SECONDS = 10
# What h5py raises wherever bytes of a file are not what they should be.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError)
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_weights(weights: str, sha256: str = "", architecture: Architecture | None = None) -> None:
    """Checks that the weights can be had and fit the backbone, without TensorFlow.

    Of a file the header is read, and all of it only for its SHA-256. Of `imagenet` Keras' own copy must be on this machine, or its
    address must answer.

    Args:
        weights: `imagenet`, `random`, or the path or URI of a Keras `.h5` or `.weights.h5` file.
        sha256: The SHA-256 that the file must have, as hex digits; empty for any.
        architecture: The backbone; None if that is unknown: then a file may be any one's, and `imagenet` isn't looked for.

    Raises:
        GraftError: The weights can't be had, are no Keras weights file, another network's, or not the file that `sha256` names.
    """
    if sha256 and weights in NAMED:
        raise GraftError(f"weights_sha256 is of a file, and the weights are {weights}: name the file, or leave it out.")
    if weights == IMAGENET and architecture:
        _check_imagenet(architecture)
    if weights in NAMED:
        return
    if sha256:
        with storage.scratch_folder("weights") as scratch:
            storage.fetch(weights, scratch, sha256)
    found = _whose(weights)
    if architecture and found is not architecture:
        raise GraftError(
            f"{storage.redact(weights)} is {found.title}'s, and the backbone is {architecture.name}: "
            f"name {architecture.title}'s notop file, or set backbone to {found.name}."
        )


def _whose(weights: str) -> Architecture:
    """Tells which backbone's weights a file holds.

    Raises:
        GraftError: It can't be read, is no Keras weights file, or no backbone's.
    """
    shown = storage.redact(weights)
    with storage.open(weights) as file:
        if file.read(len(_HDF5_SIGNATURE)) != _HDF5_SIGNATURE:
            raise GraftError(
                f"{shown} is not a Keras weights file (HDF5): name a .h5 or .weights.h5 file, imagenet or random."
            )
        file.seek(0)
        try:
            with h5py.File(file, "r") as opened:
                parameters = _count_parameters(opened)
        except _DAMAGE as error:
            raise GraftError(f"{shown} is damaged ({storage.brief(error)}): get the file again.") from error
    for architecture in ARCHITECTURES.values():
        if parameters == architecture.parameters:
            return architecture
        if parameters == architecture.parameters_with_top:
            raise GraftError(f"{shown} holds {architecture.title} with its top: name the file without the top (notop).")
    known = ", ".join(f"{known.title} {known.parameters:,}" for known in ARCHITECTURES.values())
    raise GraftError(
        f"{shown} holds {parameters:,} weights and is of another network: name a backbone's notop file ({known})."
    )


def look_at_weights(weights: str) -> Finding:
    """Tells whether the weights can be had, and of a file whose they are.

    Args:
        weights: As in `check_weights`; empty for `imagenet`, without which a run can do. Of those, the default backbone's are looked at.

    Raises:
        GraftError: They can't be had, and were named.
    """
    try:
        if weights and weights not in NAMED:
            text = f"{storage.redact(weights)} is {_whose(storage.uri_in(weights)).title}'s"
        else:
            check_weights(weights or IMAGENET, "", DEFAULT)
            text = RANDOM if weights == RANDOM else "ImageNet's can be had"
    except GraftError as error:
        if weights:
            raise
        return Finding("Weights", False, str(error), "A run on drawn pictures needs none.", needed=False)
    return Finding("Weights", ok=True, text=text)


def _check_imagenet(architecture: Architecture) -> None:
    import requests

    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    copy = home / "models" / architecture.imagenet_url.rpartition("/")[2]
    if copy.exists():
        return
    try:
        requests.head(architecture.imagenet_url, timeout=_SECONDS, allow_redirects=True).raise_for_status()
    except requests.RequestException as error:
        raise GraftError(
            f"The ImageNet weights can't be reached from here ({type(error).__name__}): copy {copy.name} to where the "
            "steps can read it, and name that as weights."
        ) from error


def _count_parameters(file: Any) -> int:
    """Counts the numbers in all arrays of the model, leaving out an optimizer's."""
    total = 0

    def visit(name: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset) and not name.startswith(("optimizer", "optimizer_weights")):
            total += item.size

    file.visititems(visit)
    return total


@dataclasses.dataclass(frozen=True)
class Weights:
    """Pretrained weights that were checked to be the backbone's.

    Attributes:
        uri: `imagenet`, `random`, or the path or URI of a Keras weights file.
        sha256: The SHA-256 that the file must have; empty for any.
        architecture: The backbone.
    """

    uri: str
    sha256: str
    architecture: Architecture

    @classmethod
    def checked(cls, weights: str, config: TrainConfig) -> Self:
        """Checks the weights that a step was given, as `check_weights` does.

        Args:
            weights: As in `check_weights`, or a file that holds the URI.
            config: Names the backbone and the SHA-256.

        Raises:
            GraftError: As in `check_weights`.
        """
        found = cls(storage.uri_in(weights), config.weights_sha256, architecture_of(config.backbone))
        check_weights(found.uri, found.sha256, found.architecture)
        return found

    def file(self, folder: Path) -> Path | None:
        """Makes the weights readable by Keras, and returns their file; None for `random`.

        Args:
            folder: Where a download goes, and a link to a file whose name Keras can't tell its layout by.

        Raises:
            GraftError: The file can't be had.
        """
        if self.uri == RANDOM:
            return None
        if self.uri == IMAGENET:
            return _imagenet(self.architecture)
        return _named_for_keras(storage.fetch(self.uri, folder, self.sha256), folder)


def _named_for_keras(file: Path, folder: Path) -> Path:
    """Returns the file, or a link to it, under a name by which Keras, which goes by names, picks the right loader."""
    with h5py.File(file, "r") as opened:
        legacy = "layer_names" in opened.attrs or "model_weights" in opened
    if file.name.endswith((".h5", ".hdf5")) and file.name.endswith(".weights.h5") != legacy:
        return file
    link = folder / f"link{'.h5' if legacy else '.weights.h5'}"
    link.symlink_to(file.resolve())
    return link


def _imagenet(architecture: Architecture) -> Path:
    """Returns Keras' own copy of the ImageNet weights, downloaded and checksummed by Keras the first time."""
    import keras

    url = architecture.imagenet_url
    name = url.rpartition("/")[2]
    try:
        return Path(keras.utils.get_file(name, url, cache_subdir="models", file_hash=architecture.imagenet_md5))
    except Exception as error:
        raise GraftError(
            f"The ImageNet weights can't be downloaded ({type(error).__name__}): name a copy of {name} as weights, or random."
        ) from error
