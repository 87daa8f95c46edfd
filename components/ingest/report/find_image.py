"""Finding images of a dataset, and those left out as twins, by their paths: for the report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graft.components.ingest.dataset.shards import Shards

if TYPE_CHECKING:
    import pyarrow as pa


def find_image(path: str, shards: Shards, indexes: "Sequence[pa.Table]") -> bytes | None:
    """Returns an image's encoded bytes; None if there is no such image.

    Args:
        path: Its path in the source.
        shards: Where it is.
        indexes: Tables of images with the columns `path`, `shard` and `offset`.

    Raises:
        GraftError: Its shard can't be read.
    """
    import pyarrow.compute as pc

    for index in indexes:
        number = pc.index(index["path"], path).as_py()
        if number >= 0:
            return shards.read(index["shard"][number].as_py(), index["offset"][number].as_py())
    return None
