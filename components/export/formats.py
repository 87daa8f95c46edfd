"""The formats that a model is exported to: where each lies in the Export, what it needs, and how close it must come."""

import dataclasses
from collections.abc import Iterable
from importlib.util import find_spec
from tempfile import gettempdir
from typing import Literal

from graft.components.common.artifacts.export import ParityLimits, saved_model_path
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.machine import check_clock
from graft.components.common.errors import GraftError
from graft.components.common.extras import require
from graft.components.common.findings import Finding

Runtime = Literal["saved_model", "keras", "litert", "onnx"]
Further = Literal["litert-float32", "litert-float16", "litert-int8", "onnx"]

# The evaluation may have run on other hardware, whose arithmetic differs a little.
_CLOSE = ParityLimits(max_difference=1e-3, label_agreement=0.995)
_ROUNDED = ParityLimits(max_difference=1e-2, label_agreement=0.995)
_QUANTISED = ParityLimits(max_difference=None, label_agreement=0.98)


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that a model is exported to.

    Attributes:
        path: Where it lies in the Export.
        runtime: What runs it.
        limits: How close it must come to what was evaluated.
        packages: Import names of what writing and checking it needs beyond TensorFlow.
    """

    path: str
    runtime: Runtime
    limits: ParityLimits = _CLOSE
    packages: tuple[str, ...] = ()


KERAS = Format(Model.KERAS, "keras")
_LITERT = ("ai_edge_litert",)
FURTHER: dict[Further, Format] = {
    "litert-float32": Format("model.tflite", "litert", packages=_LITERT),
    "litert-float16": Format("model-float16.tflite", "litert", _ROUNDED, _LITERT),
    "litert-int8": Format("model-int8.tflite", "litert", _QUANTISED, _LITERT),
    "onnx": Format("model.onnx", "onnx", packages=("tf2onnx", "onnx", "onnxruntime")),
}


def saved_model_format(name: str) -> Format:
    """Returns the format of the SavedModel of a model of this name.

    Raises:
        GraftError: It can't be the name of a folder.
    """
    return Format(saved_model_path(name), "saved_model")


def check_machine(formats: Iterable[Further]) -> None:
    """Checks that TensorFlow and what the formats need are installed, that it can use the folder for temporary files, and the clock.

    Raises:
        GraftError: A package is missing, TensorFlow would take the folder's name for a pattern, or the clock isn't set.
    """
    check_clock()
    if set(gettempdir()) & set("[]*?\\"):
        raise GraftError(f"TensorFlow takes the name of {gettempdir()} for a pattern: set TMPDIR to another folder.")
    require("Training a model", ["tensorflow"])
    for name in formats:
        require(f"The format {name}", FURTHER[name].packages)


def look_at_formats() -> Finding:
    """Tells which formats export can write here.

    Raises:
        GraftError: Not even those that every export has.
    """
    check_machine(())
    further = [name for name, form in FURTHER.items() if all(map(find_spec, form.packages))]
    return Finding("Export", ok=True, text=", ".join(["SavedModel", ".keras", *further]))
