"""The report: one self-contained HTML page of an evaluation."""

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.figures import MOST_CLASSES
from graft.components.common.artifacts.model import Model
from graft.components.common.pages.learning_curves import learning_charts
from graft.components.common.pages.rendering import render_page, shorten
from graft.components.evaluate.report.comparison_table import comparison_table
from graft.components.evaluate.report.curves import reliability_chart, risk_coverage_chart, roc_charts
from graft.components.evaluate.report.drawing import draw
from graft.components.evaluate.report.findings import no_champion, verdict
from graft.components.evaluate.report.gallery import choose
from graft.components.evaluate.report.matrix import confused, matrix
from graft.components.evaluate.report.reproduce import commands
from graft.components.evaluate.report.slice_table import slice_table
from graft.components.evaluate.report.suspects import ShownSuspect

if TYPE_CHECKING:
    import pyarrow as pa

# What a page can show and still open on a phone.
MAX_CHARTS = 24
MAX_WARNINGS = 24
# Longer lists of mistakes are folded.
MAX_OPEN = 12
_LIBRARIES = ("graft", "matplotlib", "pillow", "numpy", "pyarrow", "scikit-learn")


def write_report(
    path: Path,
    evaluation: Evaluation,
    training: Model,
    dataset: Dataset,
    predictions: "pa.Table",
    images: Callable[[Sequence[int]], Iterator[bytes]],
    model: Any,
    suspects: Sequence[ShownSuspect] = (),
) -> None:
    """Writes the report of an evaluation.

    Args:
        path: The page's file.
        evaluation: The evaluation.
        training: The evaluated model.
        dataset: The dataset.
        predictions: A row an image, in the split's order: `path`, `label`, `predicted`, `confidence`, its probability, and, where
            there was a champion, `champion`, the class that it predicted.
        images: Returns the encoded bytes of the images of these rows, which are ascending; it is called once.
        model: The loaded Keras model, for Grad-CAM; None for none.
        suspects: Images whose labels are probably wrong, as far as they are shown.
    """
    import pyarrow as pa

    classes, metrics = evaluation.classes, evaluation.metrics
    chosen = choose(predictions, classes, evaluation.drift)
    rows = pa.array(chosen.rows, pa.int64())  # of many classes without a mistake there are none
    shown = predictions.select(["path", "label", "predicted"]).take(rows).to_pylist()
    about = {
        row: entry | {"confidence": chosen.confidence[row], "name": shorten(PurePosixPath(entry["path"]).name)}
        for row, entry in zip(chosen.rows, shown, strict=True)
    }
    labels = {row: classes.index(about[row]["predicted"]) for row in chosen.mistakes}
    cells, pairs = matrix(metrics, classes, chosen), confused(metrics, classes, chosen)
    values = {
        "evaluation": evaluation,
        "metrics": metrics,
        "classes": classes,
        "most_open": MAX_OPEN,
        "most_warnings": MAX_WARNINGS,
        "training": training,
        "dataset": dataset,
        "verdict": verdict(evaluation),
        "no_champion": no_champion(evaluation.comparisons),
        "comparisons": comparison_table(evaluation.comparisons),
        "matrix": cells,
        "confused": pairs,
        "shown_cells": [cell for row in [*cells, pairs] for cell in row if cell.rows],
        "worst_first": metrics.worst_first,
        "most_classes": MOST_CLASSES,
        "chosen": chosen,
        "about": about,
        "suspects": suspects,
        "pictures": draw(chosen, labels, images, model),
        "roc": roc_charts(metrics, classes, MAX_CHARTS),
        "reliability": reliability_chart(metrics.reliability, metrics.ece),
        "risk_coverage": risk_coverage_chart(curve, evaluation.answered)
        if (curve := evaluation.risk_coverage)
        else None,
        "learning": learning_charts(training),
        "slices": slice_table(evaluation.slices, metrics.accuracy),
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
        "commands": commands(evaluation, training, dataset),
    }
    text = render_page("graft.components.evaluate.report", "evaluation_report.html.j2", values)
    path.write_text(text, encoding="utf-8")
