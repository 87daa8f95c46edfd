"""Importing TensorFlow, quietly and in one place, since it takes seconds and only some steps need it."""

import functools
import logging
import os
from typing import Any

log = logging.getLogger("graft")


@functools.cache
def import_tensorflow() -> Any:
    """Returns the tensorflow module, with its start-up notes turned off unless the environment asks for them.

    In the GPU image (`GRAFT_EXPECTS_GPU`) it says so if there is no GPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    if os.environ.get("GRAFT_EXPECTS_GPU") and not tensorflow.config.list_physical_devices("GPU"):
        log.warning(
            "This is the GPU image, but there is no GPU here: all runs on the CPU. Give it one (--gpus all), or use graft:cpu."
        )
    return tensorflow
