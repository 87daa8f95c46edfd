"""More photographs than there are: strong crops and mirror images of an archive's, all distinct."""

import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image


def multiply(photographs: list[Path], root: Path, output: Path, times: int) -> None:
    """Writes crops of photographs, in the same folders.

    Args:
        photographs: The photographs, below `root`.
        root: The folder that holds them.
        output: Where the crops go.
        times: Crops of each.
    """
    for folder in {photograph.parent for photograph in photographs}:
        (output / folder.relative_to(root)).mkdir(parents=True, exist_ok=True)
    count = len(photographs)
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(_crop, photographs, [root] * count, [output] * count, [times] * count, chunksize=50):
            pass


def _crop(photograph: Path, root: Path, output: Path, times: int) -> None:
    chance = random.Random(str(photograph.relative_to(root)))
    with Image.open(photograph) as image:
        image = image.convert("RGB")
        for number in range(times):
            width, height = (round(side * chance.uniform(0.55, 0.8)) for side in image.size)
            left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
            crop = image.crop((left, top, left + width, top + height))
            if number % 2:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            target = (output / photograph.relative_to(root)).with_suffix("")
            crop.save(f"{target}-{number}.jpg", quality=90)
