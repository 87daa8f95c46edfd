"""A part of ingest: checks its share of the images and leaves them in the store."""

import contextlib
import logging

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.progress import doing
from graft.components.common.runs.part_record import PartRecording
from graft.components.common.runs.parts import share_of
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.checking import check_all, check_anew
from graft.components.ingest.dataset.collected_rows import IndexRow
from graft.components.ingest.dataset.corrections import read_corrections
from graft.components.ingest.dataset.image_writer import ImageWriter
from graft.components.ingest.dataset.shards import Shards
from graft.components.ingest.images.decoding_pool import Undecodable
from graft.components.ingest.kept.keeping import RowKeeper
from graft.components.ingest.kept.known_images import KnownImages
from graft.components.ingest.parts.plan import path_key, paths_of, to_check
from graft.components.ingest.source.file_names import printable
from graft.components.ingest.source.labelled_images import LabelledImages
from graft.components.ingest.source.opening import open_source

log = logging.getLogger("graft")


def ingest_part(source: str, config: IngestConfig, source_digest: str, part: PartRecording, previous: str) -> None:
    """Checks a part's share of the images and leaves them in the store. One that is alone does nothing: the step itself will.

    What an earlier attempt left there is not checked again.

    Args:
        source: As in `ingest`.
        config: As in `ingest`.
        source_digest: As in `ingest`. The listing that `resolve` left is read, and stays.
        part: The part.
        previous: As in `ingest`.

    Raises:
        GraftError: The source, the list of corrections or the earlier Dataset can't be read, or the store not be written.
    """
    run = part.run
    if part.part.alone:
        log.info("There is no other part: the step itself does the work.")
        return
    doing("listing the source")
    source = storage.uri_in(source)
    corrections = read_corrections(config)
    listing = SourceListing.read(run.folder, source, source_digest) if source_digest else None
    with (
        contextlib.ExitStack() as held,
        storage.scratch_folder("part") as scratch,
        open_source(source, config, (run.store,), listing) as (files, layout),
    ):
        corrections.check_classes(layout.classes)
        known = KnownImages(previous, run, held)
        share = share_of(run, "ingest", part.part, lambda: to_check(files, layout, known.earlier))
        part.begin(len(share))
        wanted = paths_of(share)
        images = LabelledImages(image for image in layout.images if path_key(image.path) in wanted)
        part.advance(max(0, len(share) - len(images)))  # files that are gone
        keeper = held.enter_context(RowKeeper(run, told=part.advance))
        full = config.shard_mebibytes * 2**20
        with Shards(scratch, full, run.store, known.shards, keeper.keep) as shards:
            writer = ImageWriter(shards, layout.classes, config, keeper)
            for done in check_all(files, images, known):
                found, path = done.found, printable(done.file.path)
                if isinstance(found, IndexRow) and done.read and found.path != path and known.is_new(found):
                    # Images with the same bytes have a record each.
                    done = check_anew(files, done.file)
                    found = done.found
                if isinstance(found, IndexRow | Undecodable):
                    if not writer.note(done):
                        keeper.done(1)
                    continue
                writer.write(done, found, corrections.decide(found.sha256, path, done.file.label).label)
        keeper.end()
