"""The command of the ingest step."""

from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest as ingest_step
from graft.components.ingest.parts.part import ingest_part
from graft.pipelines.cli.options import Flat
from graft.pipelines.cli.steps.recording import NO_RECORD, RecordOptions, run_part, run_step


def ingest(
    *,
    source: str,
    output: Path | None = None,
    previous: str = "",
    part: str = "",
    config: Flat[IngestConfig] = IngestConfig(),  # noqa: B008
    record: RecordOptions = NO_RECORD,
) -> None:
    """Decodes and checks every image of a source and writes a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest (.csv, .jsonl); or a .url file that holds a
            signed URL.
        output: Folder for the Dataset; it must be empty or not exist. A part makes none.
        previous: Path or URI of an earlier Dataset: its images stay in their split, and with its store are not checked again.
        part: Do only a part of the checking, such as 2/7 for the second of seven, and leave the results in the store. Parts may run
            at once, on many machines. Ingest then finds what they left, and does what is missing itself. All get the same settings,
            --store and --run-id.
        config: Settings of the step.
        record: Where the run record goes.
    """
    if (output is None) != bool(part):
        raise GraftError("Name a folder for the Dataset by --output, or a part by --part, which makes none.")
    if output:
        dataset = output
        run_step("ingest", record, lambda run: ingest_step(source, dataset, config, run=run, previous=previous))
    else:
        run_part("ingest", record, part, lambda recording: ingest_part(source, config, "", recording, previous))
