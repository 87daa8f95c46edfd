"""Drawing all pictures of the report, in one pass over the images."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common.compute.machine import cores
from graft.components.common.progress import progress
from graft.components.evaluate.report.embedded_images import data_uri, decode, lay_over, shrink
from graft.components.evaluate.report.gallery import Chosen

if TYPE_CHECKING:
    from PIL import Image

# Sides of pictures in pixels.
SMALL, LARGE = 112, 168
# A model sees squares of a few hundred pixels: more than these would only take memory.
_EXPLAINED = 1024
_PICTURES_IN_FLIGHT = 32

Pictures = dict[int, str]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Pictures as data URIs, by row of the predictions.

    Attributes:
        small: Those behind the cells of the confusion matrix, and drivers of drift.
        large: Those of mistakes.
        heat: Mistakes with what spoke for the predicted class laid over them; the first ones, as far as there is time.
    """

    small: Pictures
    large: Pictures
    heat: Pictures


def draw(
    chosen: Chosen, labels: Mapping[int, int], images: Callable[[Sequence[int]], Iterator[bytes]], model: Any
) -> Drawn:
    """Draws the chosen images.

    Args:
        chosen: What to show.
        labels: Number of the predicted class of each mistake, by row.
        images: Returns the encoded bytes of the images of these rows, which are ascending; it is called once.
        model: The loaded Keras model, for Grad-CAM; None for none.
    """
    explained = {row: labels[row] for row in chosen.mistakes[: _explainable(model)]}
    rows, shown_small = chosen.rows, chosen.small
    mistakes, lost = set(chosen.mistakes), set(chosen.lost or [])
    small: Pictures = {}
    large: Pictures = {}
    pictures: dict[int, Any] = {}
    prepared: dict[int, Any] = {}

    def drawn(row: int, content: bytes) -> tuple[str, Any, Any, str]:
        enlarged = row in mistakes or row in lost
        image = decode(content, _EXPLAINED if row in explained else LARGE if enlarged else SMALL)
        picture = shrink(image, LARGE) if enlarged else None
        tiny = data_uri(shrink(image, SMALL)) if row in shown_small else ""
        pixels = np.asarray(shrink(image, _EXPLAINED)) if row in explained else None
        return tiny, picture, pixels, data_uri(picture) if picture else ""

    with ThreadPoolExecutor(cores()) as threads, progress("drawing the report", len(rows)) as advance:
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
        return Drawn(small, large, _explain(model, prepared, pictures, explained, threads))


def _explainable(model: Any) -> int:
    if model is None:
        return 0
    from graft.components.evaluate.report.gradcam import affordable

    return affordable(model)


def _prepare(model: Any, pixels: Any) -> Any:
    from graft.components.common.compute.keras_models import PREPROCESSING

    return np.asarray(model.get_layer(PREPROCESSING)(pixels[None], training=False))[0]


def _explain(
    model: Any,
    prepared: Mapping[int, Any],
    pictures: Mapping[int, "Image.Image"],
    explained: Mapping[int, int],
    threads: ThreadPoolExecutor,
) -> Pictures:
    """Returns pictures with what spoke for the predicted class laid over them, by row."""
    if not prepared:
        return {}
    from graft.components.evaluate.report.gradcam import heat_maps

    heats = heat_maps(model, np.stack(list(prepared.values())), [explained[row] for row in prepared])
    found = threads.map(lambda row, heat: data_uri(lay_over(pictures[row], heat)), prepared, heats)
    return dict(zip(prepared, found, strict=True))
