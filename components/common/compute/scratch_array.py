"""Arrays that may be larger than memory: features lie in a temporary file, of which the system keeps in memory what there is room for."""

import os
import shutil
import tempfile
from typing import Any

import numpy as np

from graft.components.common.errors import GraftError

Array = np.ndarray[Any, Any]


def scratch_array(shape: tuple[int, ...]) -> Array:
    """Returns a float16 array of zeros in a temporary file without a name, which is gone with the array or the process.

    Its room on the disk is taken at once: of a map, a disk that fills up later would kill the process (SIGBUS).

    Args:
        shape: The array's shape.

    Raises:
        GraftError: The temporary folder has no room for it.
    """
    size = int(np.prod(shape)) * np.dtype(np.float16).itemsize
    if not size:
        return np.empty(shape, np.float16)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    with tempfile.TemporaryFile() as file:
        try:
            if size > free:
                raise OSError(f"{free / 1e9:.1f} GB are free")
            if hasattr(os, "posix_fallocate"):  # macOS has none
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float16, "w+", shape=shape)
        except OSError as error:
            raise GraftError(
                f"The temporary folder {folder} can't hold {size / 1e9:.1f} GB of features ({error.strerror or error}): make room "
                "there, or name a folder on another disk in the environment variable TMPDIR."
            ) from error
