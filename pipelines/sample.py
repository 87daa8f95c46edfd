"""The embedded sample: drawn pictures of cats and dogs, so that Graft works on a machine with no internet.

A cat has pointed ears and a dog has hanging ones. All else is drawn from the same distributions for both, so that the
class is in the shape and not in the mean colour.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from graft.components.common.errors import GraftError
from graft.components.common.progress import progress

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = NDArray[np.float64]

_FEWEST, _MULTIPLE = 60, 6
_SUPERSAMPLING = 2
_CONTRAST = 45.0
_LUMA = np.array([0.299, 0.587, 0.114])
_INK: Colour = (24, 20, 20)
_GREY: Colour = (128, 128, 128)
_FURS = np.array(
    [[40, 36, 34], [96, 66, 44], [150, 98, 52], [205, 140, 72], [120, 118, 116], [214, 190, 152], [236, 232, 224]]
)

# Lengths on a face are in radii of its head, whose middle is (0, 0); y points down.
_OUTLINE, _THIN_LINE = 0.075, 0.03
_SIDES = (-1, 1)
_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_DROP = _CIRCLE * np.stack([0.8 + 0.3 * np.sin(_ANGLES), np.ones_like(_ANGLES)], axis=1)
_ACROSS = np.linspace(-1, 1, 17)


@dataclass(frozen=True)
class Kind:
    """A class of pictures.

    Attributes:
        ear: Draws the outline of the right ear by chance.
        ears_in_front: Whether the ears hide the head or the head hides the ears.
    """

    ear: Callable[[Generator], Points]
    ears_in_front: bool


@dataclass(frozen=True)
class Pen:
    """Draws in the coordinates of a face.

    Attributes:
        draw: What draws on the picture.
        axes: The face's unit vectors in the picture, one a row.
        middle: The face's middle in the picture.
    """

    draw: ImageDraw.ImageDraw
    axes: Points
    middle: Points

    def polygon(self, points: Points, colour: Colour, outline: float = 0.0) -> None:
        """Fills a polygon, and draws its outline if that has a width."""
        self.draw.polygon(self._place(points), fill=colour)
        if outline:
            self.line(np.concatenate([points, points[:2]]), outline)

    def ellipse(self, x: float, y: float, x_radius: float, y_radius: float, colour: Colour) -> None:
        """Fills an ellipse."""
        self.polygon(_CIRCLE * (x_radius, y_radius) + (x, y), colour)

    def line(self, points: Points, width: float) -> None:
        """Draws a dark line through points."""
        pixels = max(1, round(width * float(np.hypot(*self.axes[0]))))
        self.draw.line(self._place(points), fill=_INK, width=pixels, joint="curve")

    def _place(self, points: Points) -> list[tuple[float, float]]:
        return [(x, y) for x, y in (points @ self.axes + self.middle).tolist()]


def draw_sample(output: Path, images: int = 900, seed: int = 0) -> None:
    """Draws the sample into `train/{cats,dogs}` (two thirds) and `validation/{cats,dogs}` (one third).

    The folder is filled only when all is drawn. The same seed gives the same pictures.

    Args:
        output: Folder for the pictures; it must be empty or not exist.
        images: How many to draw, a multiple of 6.
        seed: Seed of the drawing.

    Raises:
        GraftError: The folder holds something or can't be written, or a number is not allowed.
    """
    if images < _FEWEST or images % _MULTIPLE:
        raise GraftError(f"A sample can't have {images} images: name a multiple of {_MULTIPLE} that is {_FEWEST} or more.")
    if seed < 0:
        raise GraftError(f"The seed can't be {seed}: name one that is 0 or more.")
    output = output.resolve()
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise GraftError(f"{output} is not empty: name a folder that is empty or doesn't exist yet.")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as staging:
            drawn = Path(staging, output.name)
            _draw_all(drawn, images, seed)
            drawn.replace(output)
    except OSError as error:
        raise GraftError(f"{output} can't be written ({error.strerror}): name another folder.") from error


def draw_picture(rng: Generator, kind: Kind) -> Image.Image:
    """Draws one picture, all by chance but for what the kind says."""
    width, height = rng.integers(160, 201, size=2).tolist()
    size = np.array([width, height]) * _SUPERSAMPLING
    fur = _fur(rng)
    background = _unlike(rng, _any_colour, fur)
    corners = np.clip(np.array(background) + rng.normal(0, 14, (2, 2, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(corners).resize((int(size[0]), int(size[1])), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 7)):
        spot = _CIRCLE * rng.uniform(0.02, 0.14, 2) @ _turn(rng.uniform(0, np.pi))
        colour = _mix(background, _any_colour(rng), rng.uniform(0.1, 0.3))
        Pen(draw, np.diag(size.astype(float)), rng.uniform(0, 1, 2) * size).polygon(spot, colour)
    axes = _turn(rng.normal(0, 0.15)) * rng.uniform(0.24, 0.3) * size.min() * rng.uniform(0.94, 1.06, (2, 1))
    _draw_face(rng, Pen(draw, axes, size * ((0.5, 0.56) + rng.uniform(-0.075, 0.075, 2))), kind, fur, background)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 7))
    gains = (rng.uniform(0.75, 1.15) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    return Image.fromarray(np.clip(pixels * gains + noise, 0, 255).astype(np.uint8))


def _draw_all(folder: Path, images: int, seed: int) -> None:
    pictures = [
        (folder / split / label / f"{number:03}.jpg", kind)
        for split, share in (("train", 3), ("validation", 6))
        for label, kind in _KINDS.items()
        for number in range(images // share)
    ]
    with progress("drawing pictures", images) as advance:
        for index, (path, kind) in enumerate(pictures):
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_picture(np.random.default_rng([seed, index]), kind).save(path, quality=90)
            advance(1)


def _draw_face(rng: Generator, pen: Pen, kind: Kind, fur: Colour, background: Colour) -> None:
    head = _CIRCLE * (rng.uniform(0.92, 1.08), rng.uniform(0.88, 1.02))
    if kind.ears_in_front:
        pen.polygon(head, fur, _OUTLINE)
    _draw_ears(rng, pen, kind.ear(rng), _unlike(rng, _fur, fur, background))
    if not kind.ears_in_front:
        pen.polygon(head, fur, _OUTLINE)
    pen.ellipse(0, 0.42, rng.uniform(0.36, 0.5), rng.uniform(0.28, 0.38), _mix(fur, _fur(rng), 0.5))
    gap, level, opening, iris = rng.uniform(0.34, 0.46), rng.uniform(-0.28, -0.12), rng.uniform(0.1, 0.19), _any_colour(rng)
    for side in _SIDES:
        pen.ellipse(side * gap, level, 0.17, opening, iris)
        pen.ellipse(side * gap, level, 0.08, 0.9 * opening, _INK)
        for slope in rng.normal((-0.15, 0, 0.15), 0.12).tolist():
            pen.line(np.array([(side * 0.3, 0.4), (side * rng.uniform(0.9, 1.3), 0.4 + slope)]), _THIN_LINE)
    pen.ellipse(0, 0.27, rng.uniform(0.11, 0.17), rng.uniform(0.08, 0.12), _INK)
    mouth = 0.5 + rng.uniform(0.08, 0.18) * np.abs(np.sin(np.pi * _ACROSS))
    pen.line(np.stack([0.24 * _ACROSS, mouth], axis=1), _THIN_LINE)


def _draw_ears(rng: Generator, pen: Pen, right: Points, colour: Colour) -> None:
    inner = _mix(colour, _fur(rng), 0.35)
    for side in _SIDES:
        ear = right @ _turn(rng.normal(0, 0.04)) * (side, 1)
        pen.polygon(ear, colour, _OUTLINE)
        pen.polygon(0.55 * ear + 0.45 * ear.mean(axis=0), inner)


def _pointed_ear(rng: Generator) -> Points:
    return np.array([(0.08, -0.85), (rng.uniform(0.75, 1.0), rng.uniform(-1.65, -1.4)), (1.0, -0.2)])


def _hanging_ear(rng: Generator) -> Points:
    width, length = rng.uniform(0.3, 0.38), rng.uniform(0.75, 0.92)
    return (_DROP * (width, length) + (0, length)) @ _turn(rng.uniform(-0.4, -0.15)) + (0.72, -0.85)


_KINDS = {"cats": Kind(_pointed_ear, ears_in_front=False), "dogs": Kind(_hanging_ear, ears_in_front=True)}


def _fur(rng: Generator) -> Colour:
    return _colour(rng.choice(_FURS) + rng.normal(0, 12, 3))


def _any_colour(rng: Generator) -> Colour:
    return _mix(_colour(rng.uniform(10, 245, 3)), _GREY, 0.25)


def _unlike(rng: Generator, draw: Callable[[Generator], Colour], *others: Colour) -> Colour:
    """Draws a colour until it is clearly brighter or darker than each of the others."""
    while True:
        colour = draw(rng)
        if all(abs(np.subtract(colour, other) @ _LUMA) > _CONTRAST for other in others):
            return colour


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    return _colour(np.array(one) * (1 - share) + np.array(other) * share)


def _colour(values: Points) -> Colour:
    red, green, blue = np.clip(values, 0, 255).astype(int).tolist()
    return red, green, blue


def _turn(angle: float) -> Points:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
