"""The images of a dataset, and those left out as twins, by their paths: for the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.components.ingest.dataset.collected_rows import CollectedRows
from graft.components.ingest.dataset.shards import Shards


class ImagesByPath:
    """Finds images by path.

    Args:
        shards: Where they are.
        names: The shards' names by number.
        collected: The rows of all images, their shards being numbers.
        splits: int [N], -1 for an image that is left out.

    Attributes:
        left_out: Shard and offset of the images that are left out, by path.
        index: The dataset's index, once it is written, with the columns `path`, `shard` and `offset`.
    """

    def __init__(
        self, shards: Shards, names: Sequence[str], collected: CollectedRows, splits: "np.ndarray[Any, Any]"
    ) -> None:
        self._shards, self._names = shards, list(names)
        rows = collected.take(np.flatnonzero(splits < 0), "path", "shard", "offset").to_pylist()
        self.left_out = {row["path"]: (row["shard"], row["offset"]) for row in rows}
        self.index: Any = None

    def find(self, path: str) -> bytes | None:
        """Returns an image's encoded bytes; None if there is no such image.

        Args:
            path: Its path in the source.

        Raises:
            GraftError: Its shard can't be read.
        """
        import pyarrow.compute as pc

        if path in self.left_out:
            return self._shards.read(*self.left_out[path])
        number = pc.index(self.index["path"], path).as_py()
        if number < 0:
            return None
        shard, offset = (self.index[name][number].as_py() for name in ("shard", "offset"))
        return self._shards.read(self._names.index(shard), offset)
