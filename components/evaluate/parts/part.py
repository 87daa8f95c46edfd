"""Running the models on a part's share of the evaluated images."""

import logging
from pathlib import Path

from graft.components.common.runs.part_record import PartRecording
from graft.components.evaluate.config import EvaluateConfig

log = logging.getLogger("graft")


def evaluate_part(model: Path, dataset: Path, config: EvaluateConfig, part: PartRecording) -> None:
    """Runs the models on a part's share of the evaluated images. One that is alone does nothing: the step itself will.

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.
        config: The split and the baselines.
        part: The part.
    """
    if part.part.alone:
        log.info("There is one part: the step itself does the work.")
