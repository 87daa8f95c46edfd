"""What ingest has to check in a run, listed once for all parts."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from graft.components.common import storage
from graft.components.common.artifacts.lists.source_listing import SourceListing
from graft.components.common.errors import GraftError
from graft.components.common.progress import doing
from graft.components.common.runs.parts import plan_parts
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.previous_dataset import PreviousDataset
from graft.components.ingest.source.file_names import printable
from graft.components.ingest.source.image_files import ImageFiles
from graft.components.ingest.source.layout import Layout
from graft.components.ingest.source.manifests.manifest import is_manifest
from graft.components.ingest.source.opening import open_source

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH, _ASKED_AT_ONCE = 4_096, 16
"""Of so many files a list is made at once, and of so many of these the versions are asked, where a listing doesn't tell them."""


def plan_ingest(
    source: str, config: IngestConfig, source_digest: str, run: Run, previous: str, parts: int, images: int
) -> list[str]:
    """Lists the images that have to be checked, and decides how many parts share them.

    Args:
        source: As in `ingest`. An archive is one part: the step itself reads it, and it is not opened here.
        config: As in `ingest`.
        source_digest: As in `ingest`. The listing that `resolve` left is read, and stays.
        run: The run, with a store.
        previous: As in `ingest`. What it knows is left out.
        parts: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts, as `plan_parts` does.

    Raises:
        GraftError: The source or the earlier Dataset can't be read, or the store not be written.
    """
    doing("listing the source")
    source = storage.uri_in(source)
    if not storage.is_folder(source) and not is_manifest(source):
        return plan_parts(run, "ingest", _items([]), 1, images)
    listing = SourceListing.read(run.folder, source, source_digest) if source_digest else None
    with (
        contextlib.ExitStack() as held,
        open_source(source, config, (run.store,), listing) as (files, layout),
    ):
        earlier = PreviousDataset(previous, run.store, held) if previous else None
        return plan_parts(run, "ingest", to_check(files, layout, earlier), parts, images)


def to_check(files: ImageFiles, layout: Layout, earlier: PreviousDataset | None) -> "pa.Table":
    """Returns the images that an earlier dataset doesn't know, in the order of their paths: a column of paths, each as its bytes."""
    paths = (image.path for image in layout.images)
    if earlier is None:
        return _items([path_key(path) for path in paths])

    def is_new(path: str) -> bool:
        known, version = printable(path), files.version(path)
        return not (earlier.unchanged(known, version) or earlier.unusable(known, version))

    wanted = list[bytes]()
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as askers:
        for start in range(0, len(layout.images), _BATCH):
            batch = [image.path for image in layout.images[start : start + _BATCH]]
            wanted += [path_key(path) for path, new in zip(batch, askers.map(is_new, batch), strict=True) if new]
    return _items(wanted)


def paths_of(items: "pa.Table") -> set[bytes]:
    """Reads paths that `to_check` returned, each as its bytes.

    Raises:
        GraftError: They are no paths.
    """
    if not items.schema.equals(_items([]).schema):
        raise GraftError("The list of this run's work holds no paths of images: give the ingest a run id of its own.")
    return {path.as_py() for path in items["path"]}


def path_key(path: str) -> bytes:
    """Returns a path as its bytes: a file's name that is no valid UTF-8 has lone surrogates, which no text can have."""
    return path.encode("utf-8", "surrogatepass")


def _items(paths: list[bytes]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"path": pa.array(paths, pa.binary())})
