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
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from graft.components.common.errors import GraftError
from graft.components.common.progress import progress

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = NDArray[np.float64]

_FEWEST, _MULTIPLE = 60, 6
_SIZES = (160, 201)
_SUPERSAMPLING = 2
_CONTRAST = 45.0
_LUMA = np.array([0.299, 0.587, 0.114])
_FURS = np.array([[40, 36, 34], [96, 66, 44], [150, 98, 52], [205, 140, 72], [120, 118, 116], [214, 190, 152], [236, 232, 224]])
_SIDES = (-1, 1)
_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


@dataclass(frozen=True)
class Pen:
    """Draws in the coordinates of a face: its middle is (0, 0), its head has a radius of about 1, and y points down.

    Attributes:
        draw: What draws on the picture.
        axes: The face's unit vectors in the picture, one a row.
        middle: The face's middle in the picture.
    """

    draw: ImageDraw.ImageDraw
    axes: Points
    middle: Points

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fills a polygon."""
        self.draw.polygon(self._place(points), fill=colour)

    def ellipse(self, middle: ArrayLike, radii: ArrayLike, colour: Colour, tilt: float = 0.0) -> None:
        """Fills an ellipse, turned by a tilt in radians."""
        self.polygon(_CIRCLE * np.asarray(radii) @ _turn(tilt) + np.asarray(middle), colour)

    def line(self, points: ArrayLike, colour: Colour, width: float) -> None:
        """Draws a line through points."""
        pixels = max(1, round(width * float(np.hypot(*self.axes[0]))))
        self.draw.line(self._place(points), fill=colour, width=pixels, joint="curve")

    def _place(self, points: ArrayLike) -> list[tuple[float, float]]:
        return [(x, y) for x, y in (np.asarray(points, np.float64) @ self.axes + self.middle).tolist()]


def draw_sample(output: Path, images: int = 900, seed: int = 0) -> None:
    """Draws the sample into `train/{cats,dogs}` (two thirds) and `validation/{cats,dogs}` (one third).

    The folder appears only when all is drawn. The same seed gives the same pictures.

    Args:
        output: Folder for the pictures; it must be empty or not exist.
        images: How many to draw, a multiple of 6.
        seed: Seed of the drawing.

    Raises:
        GraftError: The folder holds something or can't be written, or a number is not allowed.
    """
    if images < _FEWEST or images % _MULTIPLE:
        raise GraftError(f"A sample of {images} images can't be split: name a multiple of {_MULTIPLE} from {_FEWEST} on.")
    if seed < 0:
        raise GraftError(f"The seed {seed} is negative: name one from 0 on.")
    output = output.resolve()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise GraftError(f"{output} is not empty: name a folder that is empty or doesn't exist yet.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as staging:
            drawn = Path(staging, output.name)
            _draw_all(drawn, images, seed)
            drawn.replace(output)
    except OSError as error:
        raise GraftError(f"{output} can't be written ({error.strerror}): name another folder.") from error


def _draw_all(folder: Path, images: int, seed: int) -> None:
    per_class = {"train": images // 3, "validation": images // 6}
    pictures = [
        (folder / split / label / f"{number:03}.jpg", ears)
        for split, count in per_class.items()
        for label, ears in (("cats", _pointed_ears), ("dogs", _hanging_ears))
        for number in range(count)
    ]
    with progress("drawing pictures", images) as advance:
        for index, (path, ears) in enumerate(pictures):
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([seed, index])
            draw_picture(rng, ears).save(path, quality=int(rng.integers(82, 95)))
            advance(1)


Ears: TypeAlias = Callable[[np.random.Generator, Pen, Colour, Colour], None]


def draw_picture(rng: np.random.Generator, ears: Ears) -> Image.Image:
    """Draws one picture.

    Args:
        rng: Where all chance comes from.
        ears: Draws the ears, all that tells the classes apart, in two colours.
    """
    width, height = (int(side) for side in rng.integers(*_SIZES, size=2))
    size = np.array([width, height]) * _SUPERSAMPLING
    fur = _fur(rng)
    background = _unlike(rng, _any_colour, fur)
    picture = _background(rng, width, height, background)
    picture = picture.resize((int(size[0]), int(size[1])), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    radius = rng.uniform(0.23, 0.29) * size.min()
    axes = _turn(rng.normal(0, 0.12)) * radius * rng.uniform(0.94, 1.06, size=(2, 1))
    pen = Pen(draw, axes, size * (0.5, 0.54) + rng.uniform(-0.06, 0.06, 2) * size)
    _clutter(rng, Pen(draw, np.eye(2) * radius, size / 2), background)
    _face(rng, pen, ears, fur, background)
    return _photograph(rng, picture.resize((width, height), Image.Resampling.BOX))


def _background(rng: np.random.Generator, width: int, height: int, colour: Colour) -> Image.Image:
    corners = np.clip(np.array(colour) + rng.normal(0, 14, (2, 2, 3)), 0, 255).astype(np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)


def _clutter(rng: np.random.Generator, pen: Pen, background: Colour) -> None:
    for _ in range(rng.integers(2, 7)):
        middle, radii = rng.uniform(-2.1, 2.1, 2), rng.uniform(0.08, 0.5, 2)
        colour = _mix(background, _any_colour(rng), rng.uniform(0.1, 0.3))
        pen.ellipse(middle, radii, colour, rng.uniform(0, np.pi))


def _face(rng: np.random.Generator, pen: Pen, ears: Ears, fur: Colour, background: Colour) -> None:
    ear, inner = _unlike(rng, _fur, fur, background), _fur(rng)
    head = (rng.uniform(0.92, 1.08), rng.uniform(0.88, 1.02))
    if ears is _hanging_ears:
        pen.ellipse((0, 0), head, fur)
        ears(rng, pen, ear, inner)
    else:
        ears(rng, pen, ear, inner)
        pen.ellipse((0, 0), head, fur)
    muzzle = _mix(fur, _fur(rng), 0.5)
    pen.ellipse((0, 0.42), (rng.uniform(0.36, 0.5), rng.uniform(0.28, 0.38)), muzzle)
    iris, dark = _any_colour(rng), _mix((20, 16, 16), _any_colour(rng), 0.1)
    gap, level, open_ = rng.uniform(0.34, 0.46), rng.uniform(-0.28, -0.12), rng.uniform(0.1, 0.19)
    for side in _SIDES:
        pen.ellipse((side * gap, level), (0.17, open_), iris)
        pen.ellipse((side * gap, level), (0.08, open_ * 0.9), dark)
        for slope in rng.normal(0, 0.12, 3) + (-0.15, 0, 0.15):
            pen.line([(side * 0.3, 0.4), (side * rng.uniform(0.9, 1.3), 0.4 + slope)], dark, 0.02)
    pen.ellipse((0, 0.27), (rng.uniform(0.11, 0.17), rng.uniform(0.08, 0.12)), dark)
    smile = rng.uniform(0.08, 0.2)
    pen.line([(-0.24, 0.5 + smile / 2), (-0.1, 0.5 + smile), (0, 0.5), (0.1, 0.5 + smile), (0.24, 0.5 + smile / 2)], dark, 0.035)


def _pointed_ears(rng: np.random.Generator, pen: Pen, colour: Colour, inner: Colour) -> None:
    tip = np.array([rng.uniform(0.75, 1.0), -rng.uniform(1.45, 1.75)])
    for side in _SIDES:
        ear = np.array([(0.08, -0.85), tip + rng.normal(0, 0.04, 2), (1.0, -0.2)])
        pen.polygon(ear * (side, 1), colour)
        pen.polygon((ear * 0.55 + ear.mean(axis=0) * 0.45) * (side, 1), inner)


def _hanging_ears(rng: np.random.Generator, pen: Pen, colour: Colour, inner: Colour) -> None:
    length, tilt = rng.uniform(0.75, 0.95), rng.uniform(-0.05, 0.3)
    for side in _SIDES:
        turn = side * (tilt + rng.normal(0, 0.04))
        pen.ellipse((side * 1.0, length - 0.65), (0.32, length), colour, turn)
        pen.ellipse((side * 1.0, length - 0.6), (0.15, length * 0.6), inner, turn)


def _photograph(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture, np.float32)
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(2, 7))
    gains = rng.uniform(0.75, 1.15) * rng.uniform(0.95, 1.05, 3)
    return Image.fromarray(np.clip(pixels * gains.astype(np.float32) + noise, 0, 255).astype(np.uint8))


def _fur(rng: np.random.Generator) -> Colour:
    return _colour(rng.choice(_FURS) + rng.normal(0, 12, 3))


def _any_colour(rng: np.random.Generator) -> Colour:
    return _colour(rng.uniform(15, 240, 3))


def _unlike(rng: np.random.Generator, draw: Callable[[np.random.Generator], Colour], *others: Colour) -> Colour:
    """Draws a colour until its brightness is clearly another than that of the others."""
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
