"""Exporting to formats for phones and other runtimes, each checked like the SavedModel."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft.components.common.artifacts.export import ExportedFormat, ParityFigures
from graft.components.export.acceptance.parity import EvaluatedImages, check_parity, describe, is_close, serving
from graft.components.export.converters import by_classes, write_litert, write_onnx
from graft.components.export.formats import FURTHER, Format, Further

log = logging.getLogger("graft")


def export_further(
    model: Any, formats: Sequence[Further], output: Path, samples: EvaluatedImages, calibration: Sequence[bytes]
) -> dict[str, ExportedFormat]:
    """Writes a model in further formats and holds each against the evaluation.

    Args:
        model: The Keras model that the train step saved.
        formats: The formats to write.
        output: The Export's folder.
        samples: The images for which each must give what the evaluation got.
        calibration: Encoded training images, by which int8 learns the range of every value.

    Returns:
        What the record says of each, by its path.

    Raises:
        GraftError: One differs too much from what was evaluated, or can't be run.
    """
    convertible = by_classes(model, samples.abstain_below)
    return {FURTHER[name].path: _export(convertible, name, output, samples, calibration) for name in formats}


def _export(
    model: Any, name: Further, output: Path, samples: EvaluatedImages, calibration: Sequence[bytes]
) -> ExportedFormat:
    form = FURTHER[name]
    if name == "litert-int8":
        return _export_int8(model, output, samples, calibration)
    if name == "onnx":
        write_onnx(model, output / form.path)
    else:
        write_litert(model, output / form.path, name.removeprefix("litert-"))
    parity = _compare(output, form, samples)
    check_parity(parity, form)
    return describe(output, form, parity)


def _export_int8(model: Any, output: Path, samples: EvaluatedImages, calibration: Sequence[bytes]) -> ExportedFormat:
    """Quantises in full, and only the weights where that loses too much: how much it loses depends on the cut."""
    form = FURTHER["litert-int8"]
    tried: dict[str, ParityFigures] = {}
    for kind in ("full-integer", "dynamic-range"):
        write_litert(model, output / form.path, kind, calibration)
        parity = tried[kind] = _compare(output, form, samples)
        if is_close(parity, form.limits):
            break
        log.warning(
            "litert-int8: %s quantisation puts only %.1f%% of the images into the same class as the evaluation",
            kind,
            100 * parity.label_agreement,
        )
    check_parity(parity, form)
    return describe(output, form, parity).model_copy(update={"quantization": kind, "tried": tried})


def _compare(output: Path, form: Format, samples: EvaluatedImages) -> ParityFigures:
    with serving(output, form) as compare:
        return compare(samples)
