"""The command of the ingest step."""

from pathlib import Path

from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest as ingest_step
from graft.pipelines.cli.options import Flat
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_step


def ingest(
    *,
    source: str,
    output: Path,
    previous: str = "",
    config: Flat[IngestConfig] = IngestConfig(),  # noqa: B008
    record: RecordOptions = NO_RECORD,
) -> None:
    """Decodes and checks every image of a source and writes a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest (.csv, .jsonl); or a .url file that holds a
            signed URL.
        output: Folder for the Dataset; it must be empty or not exist.
        previous: Path or URI of an earlier Dataset: its images stay in their split, and with its store are not checked again.
        config: Settings of the step.
        record: Where the run record goes.
    """
    run_step("ingest", record, lambda run: ingest_step(source, output, config, run=run, previous=previous))
