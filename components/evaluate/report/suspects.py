"""Pictures of images whose labels are probably wrong, and of those that they look like most, from whatever split."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.pages.rendering import shorten
from graft.components.evaluate.labels.label_check import MOST_SHOWN, Place, Suspect
from graft.components.evaluate.report.drawing import SMALL
from graft.components.evaluate.report.embedded_images import data_uri, decode, shrink

# A shard that lies in a bucket is downloaded whole: pictures that would need more of them are left out.
_MOST_SHARDS = 8


@dataclasses.dataclass(frozen=True)
class ShownImage:
    """An image as the page shows it.

    Attributes:
        place: Where it is.
        name: Its file name, shortened.
        picture: The picture as a data URI; empty if it is left out.
    """

    place: Place
    name: str
    picture: str


@dataclasses.dataclass(frozen=True)
class ShownSuspect:
    """A suspected image with its neighbours, as the page shows them."""

    image: ShownImage
    suggested: str
    confidence: float
    neighbours: tuple[ShownImage, ...]


def draw_suspects(data: Dataset, suspects: Sequence[Suspect]) -> list[ShownSuspect]:
    """Draws the first suspected images and their neighbours.

    Args:
        data: Holds the images.
        suspects: The suspected images, in the order to show them.

    Raises:
        GraftError: A shard is missing or damaged.
    """
    shown = suspects[:MOST_SHOWN]
    pictures = _draw(data, [place for suspect in shown for place in (suspect.place, *suspect.neighbours)])

    def image(place: Place) -> ShownImage:
        return ShownImage(place, shorten(PurePosixPath(place.path).name), pictures.get((place.split, place.row), ""))

    return [
        ShownSuspect(image(one.place), one.suggested, one.confidence, tuple(map(image, one.neighbours)))
        for one in shown
    ]


def _draw(data: Dataset, places: Iterable[Place]) -> dict[tuple[str, int], str]:
    """Returns pictures as data URIs, by split and row, of those images that the first shards hold."""
    wanted: dict[str, set[int]] = {}
    for place in places:
        wanted.setdefault(place.split, set()).add(place.row)
    shards: set[str] = set()
    pictures = {}
    for split, rows in wanted.items():
        names = data.index(split, ["shard"])["shard"]
        chosen = []
        for row in sorted(rows):
            if names[row] in shards or len(shards) < _MOST_SHARDS:
                shards.add(names[row])
                chosen.append(row)
        for row, content in zip(chosen, read_encoded(data, split, chosen), strict=True):
            pictures[split, row] = data_uri(shrink(decode(content, SMALL), SMALL))
    return pictures
