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

Colour: TypeAlias = NDArray[np.float64]
Points: TypeAlias = NDArray[np.float64]

_CATS, _DOGS = "cats", "dogs"
_FEWEST, _MULTIPLE = 60, 6
_SUPERSAMPLING, _CONTRAST = 2, 45.0
_LUMA = np.array([0.299, 0.587, 0.114])
_INK = np.array([24.0, 20.0, 20.0])
_FURS = np.array([(40, 36, 34), (96, 66, 44), (150, 98, 52), (205, 140, 72), (120, 118, 116), (236, 226, 210)])

# Lengths on a face are in radii of its head, whose middle is (0, 0); y points down.
_OUTLINE, _THIN_LINE = 0.07, 0.03
_LEFT_AND_RIGHT = (-1, 1)
_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_DROP = np.stack([(0.8 + 0.3 * np.sin(_ANGLES)) * np.cos(_ANGLES), 1 + np.sin(_ANGLES)], axis=1)
_ACROSS = np.linspace(-1, 1, 17)


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
        self.draw.polygon(self._place(points), fill=_ink(colour))
        if outline:
            self.line(np.concatenate([points, points[:2]]), outline)

    def ellipse(self, x: float, y: float, x_radius: float, y_radius: float, colour: Colour) -> None:
        """Fills an ellipse."""
        self.polygon(_CIRCLE * (x_radius, y_radius) + (x, y), colour)

    def line(self, points: Points, width: float) -> None:
        """Draws a dark line through points."""
        pixels = max(1, round(width * float(np.hypot(*self.axes[0]))))
        self.draw.line(self._place(points), fill=_ink(_INK), width=pixels, joint="curve")

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
        raise GraftError(f"A sample can't have {images} images: name a multiple of {_MULTIPLE}, at least {_FEWEST}.")
    if seed < 0:
        raise GraftError(f"The seed can't be {seed}: name one that is 0 or more.")
    output = output.resolve()
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise GraftError(f"{output} is not an empty folder: name one that is empty or doesn't exist yet.")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as staging:
            drawn = Path(staging, output.name)
            _draw_all(drawn, images, seed)
            drawn.replace(output)
    except OSError as error:
        raise GraftError(f"{output} can't be written ({error.strerror}): name another folder.") from error


def draw_picture(rng: Generator, label: str) -> Image.Image:
    """Draws one picture of a class, all by chance but for the ears."""
    width, height = rng.integers(160, 201, size=2).tolist()
    size = np.array([width, height]) * _SUPERSAMPLING
    fur = _fur(rng)
    background = _unlike(rng, _any_colour, fur)
    corners = np.clip(background + rng.normal(0, 14, (2, 2, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(corners).resize(size.tolist(), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 7)):
        spot = _CIRCLE * rng.uniform(0.02, 0.14, 2) @ _turn(rng.uniform(0, np.pi))
        colour = background + rng.uniform(0.1, 0.3) * (_any_colour(rng) - background)
        Pen(draw, np.diag(size.astype(float)), rng.uniform(0, 1, 2) * size).polygon(spot, colour)
    axes = _turn(rng.normal(0, 0.15)) * rng.uniform(0.24, 0.3) * size.min() * rng.uniform(0.94, 1.06, (2, 1))
    _draw_face(rng, Pen(draw, axes, size * rng.uniform((0.425, 0.485), (0.575, 0.635))), label, fur, background)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 7))
    gains = (rng.uniform(0.75, 1.15) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    return Image.fromarray(np.clip(pixels * gains + noise, 0, 255).astype(np.uint8))


def _draw_all(folder: Path, images: int, seed: int) -> None:
    pictures = [
        (folder / split / label / f"{number:03}.jpg", label)
        for split, share in (("train", 3), ("validation", 6))
        for label in _EARS
        for number in range(images // share)
    ]
    with progress("drawing pictures", images) as advance:
        for index, (path, label) in enumerate(pictures):
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_picture(np.random.default_rng([seed, index]), label).save(path, quality=90)
            advance(1)


def _draw_face(rng: Generator, pen: Pen, label: str, fur: Colour, background: Colour) -> None:
    head = _CIRCLE * (rng.uniform(0.92, 1.08), rng.uniform(0.88, 1.02))
    if label == _DOGS:
        pen.polygon(head, fur, _OUTLINE)
    _draw_ears(rng, pen, _EARS[label](rng), _unlike(rng, _fur, fur, background))
    if label == _CATS:
        pen.polygon(head, fur, _OUTLINE)
    pen.ellipse(0, 0.42, rng.uniform(0.36, 0.5), rng.uniform(0.28, 0.38), (fur + _fur(rng)) / 2)
    gap, level, opening = rng.uniform((0.34, -0.28, 0.1), (0.46, -0.12, 0.19)).tolist()
    iris = _any_colour(rng)
    for side in _LEFT_AND_RIGHT:
        pen.ellipse(side * gap, level, 0.17, opening, iris)
        pen.ellipse(side * gap, level, 0.08, 0.9 * opening, _INK)
        for slope in rng.normal((-0.15, 0, 0.15), 0.12).tolist():
            pen.line(np.array([(side * 0.3, 0.4), (side * rng.uniform(0.9, 1.3), 0.4 + slope)]), _THIN_LINE)
    pen.ellipse(0, 0.27, rng.uniform(0.11, 0.17), rng.uniform(0.08, 0.12), _INK)
    mouth = 0.5 + rng.uniform(0.08, 0.18) * np.abs(np.sin(np.pi * _ACROSS))
    pen.line(np.stack([0.24 * _ACROSS, mouth], axis=1), _THIN_LINE)


def _draw_ears(rng: Generator, pen: Pen, right: Points, colour: Colour) -> None:
    inner = 0.65 * colour + 0.35 * _fur(rng)
    for side in _LEFT_AND_RIGHT:
        ear = right @ _turn(rng.normal(0, 0.04)) * (side, 1)
        pen.polygon(ear, colour, _OUTLINE)
        pen.polygon(0.55 * ear + 0.45 * ear.mean(axis=0), inner)


def _pointed_ear(rng: Generator) -> Points:
    return np.array([(0.08, -0.85), (rng.uniform(0.75, 1.0), rng.uniform(-1.65, -1.4)), (1.0, -0.2)])


def _hanging_ear(rng: Generator) -> Points:
    size, tilt = rng.uniform((0.3, 0.75), (0.38, 0.92)), _turn(rng.uniform(-0.4, -0.15))
    return np.array([0.72, -0.85]) + _DROP * size @ tilt


_EARS = {_CATS: _pointed_ear, _DOGS: _hanging_ear}


def _fur(rng: Generator) -> Colour:
    return rng.normal(rng.choice(_FURS), 12, 3)


def _any_colour(rng: Generator) -> Colour:
    return rng.uniform(40, 216, 3)


def _unlike(rng: Generator, draw: Callable[[Generator], Colour], *others: Colour) -> Colour:
    """Draws a colour until it is clearly brighter or darker than each of the others."""
    while True:
        colour = draw(rng)
        if all(abs((colour - other) @ _LUMA) > _CONTRAST for other in others):
            return colour


def _ink(colour: Colour) -> tuple[int, ...]:
    return tuple(np.clip(colour, 0, 255).astype(int).tolist())


def _turn(angle: float) -> Points:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
