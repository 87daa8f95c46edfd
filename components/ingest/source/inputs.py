"""What ingest works on: the files of a folder, archive or manifest, and which class and split each belongs to."""

import contextlib
from collections.abc import Iterator

from graft.components.ingest.config import IngestConfig
from graft.components.ingest.source.layout import Layout, by_hash, limited, read_layout
from graft.components.ingest.source.manifest import is_manifest, open_manifest
from graft.components.ingest.source.source import Source, open_source


@contextlib.contextmanager
def open_input(source: str, config: IngestConfig) -> Iterator[tuple[Source, Layout]]:
    """Opens a source and arranges its files as the settings say.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz, or of a manifest (.csv, .jsonl).
        config: The step's settings.

    Yields:
        The files, and the splits and classes of those that ought to be images.

    Raises:
        GraftError: The source can't be opened, or has no usable layout.
    """
    with contextlib.ExitStack() as opened:
        files: Source
        if is_manifest(source):
            files, layout = open_manifest(source, config.sha256)
        else:
            files = opened.enter_context(open_source(source, config.sha256))
            layout = read_layout(files.paths())
        if config.split_by == "hash":
            layout = by_hash(layout)
        yield files, limited(layout, config.limit) if config.limit else layout
