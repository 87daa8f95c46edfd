"""The report: one self-contained HTML page of an evaluation."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common.page import render_page
from graft.components.common.progress import progress
from graft.components.evaluate import words
from graft.components.evaluate.curves import learning_charts, reliability_chart, roc_charts
from graft.components.evaluate.gallery import Chosen, choose
from graft.components.evaluate.matrix import matrix
from graft.components.evaluate.pictures import data_uri, decode, lay_over, shrink
from graft.components.evaluate.reproduce import commands
from graft.components.evaluate.slices import lay_out

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL import Image

# Sides of pictures in pixels.
SMALL, LARGE = 112, 168
MAX_CHARTS = 24
# Longer lists of mistakes are folded.
MAX_OPEN = 12
_LIBRARIES = ("graft", "pillow", "numpy", "pyarrow", "scikit-learn")
# A model sees squares of a few hundred pixels: more than these would only take memory.
_EXPLAINED = 1024
_PICTURES_IN_FLIGHT = 32


def write_report(
    path: Path,
    evaluation: Mapping[str, Any],
    training: Mapping[str, Any],
    dataset: Mapping[str, Any],
    predictions: "pa.Table",
    images: Callable[[Sequence[int]], Iterator[bytes]],
    model: Any,
) -> None:
    """Writes the report of an evaluation.

    Args:
        path: The page's file.
        evaluation: The content of `evaluation.json`.
        training: The content of the model's `training.json`.
        dataset: The content of `dataset.json`.
        predictions: A row an image, in the split's order: `path`, `label`, `predicted`, `probability_<class>` for each class, and,
            where there was a champion, `champion`, the class that it predicted.
        images: Returns the encoded bytes of the images of these rows, which are ascending; it is called once.
        model: The loaded Keras model, for Grad-CAM; None for none.
    """
    classes = evaluation["classes"]
    chosen = choose(predictions, classes)
    shown = predictions.select(["path", "label", "predicted"]).take(chosen.rows).to_pylist()
    about = {
        row: entry | {"confidence": chosen.confidence[row], "name": words.shorten(PurePosixPath(entry["path"]).name)}
        for row, entry in zip(chosen.rows, shown, strict=True)
    }
    labels = {row: classes.index(about[row]["predicted"]) for row in chosen.mistakes}
    small, large, heat = _draw(chosen, images, model, labels)
    values = {
        "evaluation": evaluation,
        "metrics": evaluation["metrics"],
        "classes": classes,
        "shorten": words.shorten,
        "most_open": MAX_OPEN,
        "training": training,
        "dataset": dataset,
        "verdict": words.verdict(evaluation),
        "comparisons": words.comparisons(evaluation),
        "matrix": matrix(evaluation["metrics"]["confusion"], classes, chosen),
        "chosen": chosen,
        "about": about,
        "small": small,
        "large": large,
        "heat": heat,
        "roc": roc_charts(evaluation["metrics"], classes)[:MAX_CHARTS],
        "reliability": reliability_chart(
            evaluation["metrics"].get("reliability") or [], evaluation["metrics"].get("ece")
        ),
        "learning": learning_charts(training),
        "learned_selection": any("selection_loss" in entry for entry in training.get("history") or []),
        "slices": lay_out(evaluation.get("slices") or [], evaluation["metrics"]["accuracy"]),
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
        "commands": commands(evaluation, training, dataset),
    }
    text = render_page("graft.components.evaluate", "report.html.j2", values)
    path.write_text(text, encoding="utf-8")


Pictures = dict[int, str]


def _draw(
    chosen: Chosen,
    images: Callable[[Sequence[int]], Iterator[bytes]],
    model: Any,
    labels: Mapping[int, int],
) -> tuple[Pictures, Pictures, Pictures]:
    """Draws, in one pass over the images, small pictures, larger ones of the mistakes, and those with heat laid over, by row."""
    rows, in_cells = chosen.rows, {row for cell in chosen.cells.values() for row in cell}
    lost, small, large, pictures = set(chosen.lost or []), {}, {}, {}
    prepared: dict[int, Any] = {}

    def drawn(row: int, content: bytes) -> tuple[str, Any, Any, str]:
        explained, enlarged = model is not None and row in labels, row in labels or row in lost
        image = decode(content, _EXPLAINED if explained else LARGE if enlarged else SMALL)
        picture = shrink(image, LARGE) if enlarged else None
        tiny = data_uri(shrink(image, SMALL)) if row in in_cells else ""
        pixels = np.asarray(shrink(image, _EXPLAINED)) if explained else None
        return tiny, picture, pixels, data_uri(picture) if picture else ""

    with ThreadPoolExecutor(os.cpu_count()) as threads, progress("drawing the report", len(rows)) as advance:
        contents = zip(rows, images(rows), strict=True)
        while batch := list(islice(contents, _PICTURES_IN_FLIGHT)):
            for (row, _), (tiny, picture, pixels, uri) in zip(
                batch, threads.map(drawn, *zip(*batch, strict=True)), strict=True
            ):
                if tiny:
                    small[row] = tiny
                if picture:
                    large[row] = uri
                if pixels is not None:
                    prepared[row], pictures[row] = _prepare(model, pixels), picture
            advance(len(batch))
        return small, large, _explain(model, prepared, pictures, labels, threads)


def _prepare(model: Any, pixels: Any) -> Any:
    from graft.components.common.model import PREPROCESSING

    return np.asarray(model.get_layer(PREPROCESSING)(pixels[None], training=False))[0]


def _explain(
    model: Any,
    prepared: Mapping[int, Any],
    pictures: Mapping[int, "Image.Image"],
    labels: Mapping[int, int],
    threads: ThreadPoolExecutor,
) -> Pictures:
    """Returns pictures with what spoke for the predicted class laid over them, by row."""
    if not prepared:
        return {}
    from graft.components.evaluate.gradcam import heat_maps

    heats = heat_maps(model, np.stack(list(prepared.values())), [labels[row] for row in prepared])
    found = threads.map(lambda row, heat: data_uri(lay_over(pictures[row], heat)), prepared, heats)
    return dict(zip(prepared, found, strict=True))
