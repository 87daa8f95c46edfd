"""What a run works on when nothing is named: the public archive, or pictures drawn here where that can't be reached."""

import logging
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from graft.components.common.compute.weights import IMAGENET, IMAGENET_URL, RANDOM
from graft.components.train.recipes import SAMPLE

log = logging.getLogger("graft")

PUBLIC_ARCHIVE = "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip"
_SECONDS = 4


@dataclass(frozen=True)
class Inputs:
    """What a run works on.

    Attributes:
        source: Path or URI of the images.
        weights: The backbone's weights.
        recipe: The recipe; empty for the default.
    """

    source: str
    weights: str
    recipe: str


def choose_inputs(source: str, weights: str, recipe: str, sample: Path) -> Inputs:
    """Fills in what was not named; what was named is never replaced.

    Without a source it takes the public archive of the original project and the ImageNet weights, if both addresses
    answer, and otherwise draws the sample and takes random weights with the recipe made for them.

    Args:
        source: The source, or empty.
        weights: The weights, or empty.
        recipe: The recipe, or empty.
        sample: Where the sample is drawn; nothing may be there.
    """
    if source:
        return Inputs(source, weights or IMAGENET, recipe)
    needed = [PUBLIC_ARCHIVE] if weights else [PUBLIC_ARCHIVE, IMAGENET_URL]
    if all(answers(address) for address in needed):
        return Inputs(PUBLIC_ARCHIVE, weights or IMAGENET, recipe)
    log.info(
        "no source was named and the public archive or weights can't be reached: running on drawn pictures of cats and dogs"
    )
    from graft.pipelines.local.sample import draw_sample

    draw_sample(sample)
    return Inputs(str(sample), weights or RANDOM, recipe or ("" if weights else SAMPLE))


def answers(address: str) -> bool:
    """Tells whether an address answers 200 within a few seconds."""
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 (our own https addresses)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False
