"""Importing TensorFlow, quietly and in one place, since it takes seconds and only some steps need it."""

import os
from typing import Any


def import_tensorflow() -> Any:
    """Returns the tensorflow module, with its start-up notes turned off unless the environment asks for them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    return tensorflow
