"""The backbone's pretrained weights: checked to be InceptionV3's before any work starts, and made readable for Keras."""

import os
from pathlib import Path
from typing import Any

import h5py

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding

IMAGENET, RANDOM = "imagenet", "random"
NAMED = (IMAGENET, RANDOM)
IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
# Of keras.applications.InceptionV3(include_top=False) and of the same with its top (Szegedy et al. 2015, arXiv:1512.00567).
_PARAMETERS = 21_802_784
_PARAMETERS_WITH_TOP = 23_851_784
_SECONDS = 10
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_weights(weights: str, sha256: str = "") -> None:
    """Checks that the weights can be had and fit the backbone, without TensorFlow.

    Of a file the header is read, and all of it only for its SHA-256. Of `imagenet` Keras' own copy must be on this machine, or its
    address must answer.

    Args:
        weights: `imagenet`, `random`, or the path or URI of a Keras `.h5` or `.weights.h5` file.
        sha256: The SHA-256 that the file must have, as hex digits; empty for any.

    Raises:
        GraftError: The weights can't be had, are no Keras weights file, another network's, or not the file that `sha256` names.
    """
    if sha256 and weights in NAMED:
        raise GraftError(f"weights_sha256 is of a file, and the weights are {weights}: name the file, or leave it out.")
    if weights == RANDOM:
        return
    if weights == IMAGENET:
        _check_imagenet()
        return
    if sha256:
        with storage.scratch_folder("weights") as scratch:
            storage.fetch(weights, scratch, sha256)
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
        except OSError as error:
            raise GraftError(f"{shown} is damaged ({error}): get the file again.") from error
    if parameters == _PARAMETERS_WITH_TOP:
        raise GraftError(f"{shown} holds InceptionV3 with its top: name the file without the top (notop).")
    if parameters != _PARAMETERS:
        raise GraftError(
            f"{shown} holds {parameters:,} weights and InceptionV3 without its top has {_PARAMETERS:,}: "
            "it is of another network; name InceptionV3's notop file."
        )


def look_at_weights(weights: str) -> Finding:
    """Tells whether the weights can be had.

    Args:
        weights: As in `check_weights`; empty for `imagenet`, without which a run can do.

    Raises:
        GraftError: They can't be had, and were named.
    """
    try:
        check_weights(storage.uri_in(weights or IMAGENET))
    except GraftError as error:
        if weights:
            raise
        return Finding("Weights", False, str(error), "A run on drawn pictures needs none.", needed=False)
    text = {"": "ImageNet's can be had", IMAGENET: "ImageNet's can be had", RANDOM: "random"}
    return Finding("Weights", ok=True, text=text.get(weights) or f"{storage.redact(weights)} is InceptionV3's")


def _check_imagenet() -> None:
    import requests

    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    copy = home / "models" / IMAGENET_URL.rpartition("/")[2]
    if copy.exists():
        return
    try:
        requests.head(IMAGENET_URL, timeout=_SECONDS, allow_redirects=True).raise_for_status()
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


def local_weights(weights: str, folder: Path, sha256: str = "") -> Path | None:
    """Makes a weights file readable by Keras.

    Args:
        weights: As in `check_weights`, which has passed them.
        folder: Where a download goes, and a link to a file whose name Keras can't tell its layout by.
        sha256: As in `check_weights`.

    Returns:
        The file, or None for `random`.

    Raises:
        GraftError: The file can't be had.
    """
    if weights == RANDOM:
        return None
    if weights == IMAGENET:
        return _imagenet()
    return _named_for_keras(storage.fetch(weights, folder, sha256), folder)


def _named_for_keras(file: Path, folder: Path) -> Path:
    """Returns the file, or a link to it, under a name by which Keras, which goes by names, picks the right loader."""
    with h5py.File(file, "r") as opened:
        legacy = "layer_names" in opened.attrs or "model_weights" in opened
    if file.name.endswith((".h5", ".hdf5")) and file.name.endswith(".weights.h5") != legacy:
        return file
    link = folder / f"link{'.h5' if legacy else '.weights.h5'}"
    link.symlink_to(file.resolve())
    return link


def _imagenet() -> Path:
    """Returns Keras' own copy of the ImageNet weights, downloaded and checksummed by Keras the first time."""
    import keras

    name = IMAGENET_URL.rpartition("/")[2]
    try:
        # The checksum is the one in keras.applications.inception_v3.
        return Path(
            keras.utils.get_file(
                name, IMAGENET_URL, cache_subdir="models", file_hash="bcbd6486424b2319ff4ef7d526e38f63"
            )
        )
    except Exception as error:
        raise GraftError(
            f"The ImageNet weights can't be downloaded ({type(error).__name__}): name a copy of {name} as weights, or random."
        ) from error
