"""A part of ingest: checks its share of the images and leaves them in the store."""

import logging

from graft.components.common.runs.part_record import PartRecording
from graft.components.ingest.config import IngestConfig

log = logging.getLogger("graft")


def ingest_part(source: str, config: IngestConfig, source_digest: str, part: PartRecording, previous: str) -> None:
    """Checks a part's share of the images and leaves them in the store. One that is alone does nothing: the step itself will.

    Args:
        source: As in `ingest`.
        config: As in `ingest`.
        source_digest: As in `ingest`.
        part: The part.
        previous: As in `ingest`.
    """
    if part.part.alone:
        log.info("There is one part: the step itself does the work.")
