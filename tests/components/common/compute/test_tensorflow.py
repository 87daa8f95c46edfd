"""Importing TensorFlow: what it must not bring along, and what it must leave as it was."""

import subprocess
import sys

CODE = """
import gc, sys
from graft.components.common.compute.tensorflow import import_tensorflow
import_tensorflow()
import keras
assert gc.isenabled()
assert not {"sklearn", "matplotlib"} & set(sys.modules)
import matplotlib.figure, sklearn.metrics
"""


def test_keras_does_not_import_what_graft_imports_itself_where_it_needs_it():
    subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True)
