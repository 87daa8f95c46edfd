"""What a run works on when nothing is named: the public archive, or pictures drawn here where that can't be reached."""

import logging
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.parameters import PUBLIC_ARCHIVE, Parameters
from graft.components.common.runs.run import Run, new_run_id
from graft.components.resolve.resolve import check_run, check_settings
from graft.components.train.backbones.known import architecture_of
from graft.components.train.backbones.weights import IMAGENET, RANDOM
from graft.components.train.recipes import SAMPLE, train_config
from graft.pipelines.local.sample import draw_sample

log = logging.getLogger("graft")

_SECONDS = 4


def choose_inputs(parameters: Parameters, sample: Path) -> Parameters:
    """Fills in source, weights and recipe where they were not named; what was named is never replaced.

    Without a source it takes the public archive of the original project and the ImageNet weights, if both addresses
    answer, and otherwise draws the sample and takes random weights with the recipe made for them.

    Args:
        parameters: The parameters; an empty source or weights means not named.
        sample: Where the sample is drawn; nothing may be there.
    """
    weights = parameters.weights
    if parameters.source:
        return replace(parameters, weights=weights or IMAGENET)
    backbone = train_config(parameters.recipe, parameters.config).backbone
    needed = [PUBLIC_ARCHIVE] if weights else [PUBLIC_ARCHIVE, architecture_of(backbone).imagenet_url]
    if all(answers(address) for address in needed):
        return replace(parameters, source=PUBLIC_ARCHIVE, weights=weights or IMAGENET)
    log.info(
        "no source was named and the public archive or weights can't be reached: running on drawn pictures of cats and dogs"
    )
    draw_sample(sample)
    recipe = parameters.recipe or ("" if weights else SAMPLE)
    return replace(parameters, source=str(sample), weights=weights or RANDOM, recipe=recipe)


def check_early(parameters: Parameters) -> None:
    """Checks the settings before anything else is done; where they are wrong, all the rest too, so that everything is told in one go.

    Args:
        parameters: The parameters, with a name; an empty source or weights means not named.

    Raises:
        GraftError: Settings are wrong. The error tells what else is.
    """
    try:
        check_settings(parameters)
    except GraftError:
        weights = parameters.weights or (IMAGENET if parameters.source else "")
        check_run(replace(parameters, weights=weights), Run(parameters.store, parameters.name, new_run_id()))
        raise


def answers(address: str) -> bool:
    """Tells whether an address answers 200 within a few seconds."""
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 (our own https addresses)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False
