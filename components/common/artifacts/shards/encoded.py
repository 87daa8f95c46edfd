"""Reading a split's images as the files that they are, not decoded."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.located import locate
from graft.components.common.artifacts.shards.tfrecord import image_at
from graft.components.common.errors import GraftError


def read_encoded(dataset: Dataset, split: str, rows: Sequence[int]) -> Iterator[bytes]:
    """Yields the encoded bytes of some images of a split, JPEG or PNG.

    Args:
        dataset: Holds the shards and their index.
        split: `train`, `validation` or `test`.
        rows: The images' numbers in the split's order in the index, ascending.

    Raises:
        GraftError: A shard is missing or damaged.
    """
    import numpy as np

    index = dataset.index(split, ["shard", "offset"])
    wanted = np.zeros(len(index["shard"]), bool)
    wanted[list(rows)] = True
    with contextlib.ExitStack() as opened:
        paths = map(Path, locate(dataset, split, wanted).paths)
        try:
            files = {path.name: opened.enter_context(path.open("rb")) for path in paths}
        except OSError as error:
            raise GraftError(
                f"{dataset.path} is damaged ({error.strerror}: {error.filename}): ingest it again."
            ) from error
        for row in rows:
            name = index["shard"][row]
            try:
                yield image_at(files[name], index["offset"][row])
            except (ValueError, KeyError) as error:
                raise GraftError(f"{dataset.path} is damaged ({name}: {error}): ingest it again.") from error
