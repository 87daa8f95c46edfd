"""Reading a split's images as the files that they are, not decoded."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.located import Located, locate
from graft.components.common.artifacts.shards.tfrecord import RecordReader, image_at
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
    paths = iter(locate(dataset, split, wanted).paths)
    with contextlib.closing(paths):
        for name, own in groupby(rows, index["shard"].__getitem__):
            try:
                file = Path(next(paths)).open("rb")  # noqa: SIM115 (closed below)
            except OSError as error:
                raise GraftError(
                    f"{dataset.path} is damaged ({error.strerror}: {error.filename}): ingest it again."
                ) from error
            with file:
                for row in own:
                    try:
                        image = image_at(file, index["offset"][row])
                    except ValueError as error:
                        raise GraftError(
                            f"{dataset.path} is damaged ({name}: {error}): remove this shard, and ingest again."
                        ) from error
                    yield image


def read_records(dataset: Dataset, located: Located) -> RecordReader:
    """Opens the shards of some images, whose checksums are checked.

    Args:
        dataset: Holds the shards.
        located: Where the images are.

    Raises:
        GraftError: A shard is missing or damaged, or is not what the dataset's record says.
    """
    try:
        with contextlib.closing(located.paths.kept()) as paths:
            reader = RecordReader(paths)
    except OSError as error:
        raise GraftError(f"{dataset.path} is damaged ({error.strerror}: {error.filename}): ingest it again.") from error
    except ValueError as error:
        raise GraftError(f"{dataset.path} is damaged ({error}): remove this shard, and ingest again.") from error
    if len(reader) != located.records:
        raise GraftError(
            f"{dataset.path} holds {len(reader)} images and its record says {located.records}: ingest it again."
        )
    return reader
