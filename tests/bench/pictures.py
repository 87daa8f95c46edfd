"""More photographs than there are: strong crops and mirror images of an archive's, all distinct."""

import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from graft.components.common.compute.likeness.close_hashes import MAX_DISTANCE
from graft.components.ingest.images.perceptual_hash import SIZE, perceptual_hash


def multiply(photographs: list[Path], root: Path, output: Path, times: int, *, distinct: bool = False) -> None:
    """Writes crops of photographs, in folders named after their classes.

    Args:
        photographs: The photographs, below `root`.
        root: The folder that holds them.
        output: Where the crops go, in the same folders; or, if distinct, in one folder a class.
        times: Crops of each.
        distinct: Whether no two crops of a photograph may be alike enough to be duplicates.
    """
    count = len(photographs)
    with ProcessPoolExecutor() as pool:
        numbers = range(count)
        for _ in pool.map(
            _crop,
            photographs,
            [root] * count,
            [output] * count,
            [times] * count,
            [distinct] * count,
            numbers,
            chunksize=50,
        ):
            pass


def _crop(photograph: Path, root: Path, output: Path, times: int, distinct: bool, number: int) -> None:
    chance = random.Random(str(photograph.relative_to(root)))
    target = output / photograph.relative_to(root)
    if distinct:
        target = output / photograph.parent.name / f"{number:05}"
    target.parent.mkdir(parents=True, exist_ok=True)
    hashes: list[int] = []
    made = 0
    with Image.open(photograph) as image:
        image = image.convert("RGB")
        while made < times:
            # The more there are, the wilder the next ones must be to be unlike them all.
            smallest = 0.55 if not distinct else 0.25
            width, height = (round(side * chance.uniform(smallest, 0.8)) for side in image.size)
            left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
            crop = image.crop((left, top, left + width, top + height))
            if made % 2:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if distinct:
                small = crop.convert("L").resize(SIZE, Image.Resampling.LANCZOS)
                found = int(perceptual_hash(small), 16)
                if any((found ^ other).bit_count() <= MAX_DISTANCE + 2 for other in hashes):
                    continue
                hashes.append(found)
                crop = crop.resize(image.size)  # as large as photographs are
            crop.save(f"{target.with_suffix('')}-{made}.jpg", quality=90)
            made += 1
