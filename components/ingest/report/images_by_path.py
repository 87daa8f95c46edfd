"""The images of a dataset, and those left out as twins, by their paths: for the report."""

from typing import TYPE_CHECKING

from graft.components.ingest.dataset.shards import Shards

if TYPE_CHECKING:
    import pyarrow as pa


class ImagesByPath:
    """Finds images by path.

    Args:
        shards: Where they are.
        indexes: Tables of images with the columns `path`, `shard` and `offset`.
    """

    def __init__(self, shards: Shards, *indexes: "pa.Table") -> None:
        self._shards, self._indexes = shards, indexes

    def find(self, path: str) -> bytes | None:
        """Returns an image's encoded bytes; None if there is no such image.

        Raises:
            GraftError: Its shard can't be read.
        """
        import pyarrow.compute as pc

        for index in self._indexes:
            number = pc.index(index["path"], path).as_py()
            if number >= 0:
                return self._shards.read(index["shard"][number].as_py(), index["offset"][number].as_py())
        return None
