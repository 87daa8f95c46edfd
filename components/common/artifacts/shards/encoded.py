"""Reading a split's images as the files that they are, not decoded."""

import contextlib
from collections.abc import Iterator, Sequence
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
            except (ValueError, LookupError) as error:
                raise GraftError(
                    f"{dataset.path} is damaged ({name}: {error}): remove this shard, and ingest again."
                ) from error


def read_records(dataset: Dataset, located: Located) -> RecordReader:
    """Opens the shards of some images, whose checksums are checked.

    Args:
        dataset: Holds the shards.
        located: Where the images are.

    Raises:
        GraftError: A shard is missing or damaged, or is not what the dataset's record says.
    """
    try:
        reader = RecordReader(located.paths)
    except OSError as error:
        raise GraftError(f"{dataset.path} is damaged ({error.strerror}: {error.filename}): ingest it again.") from error
    except ValueError as error:
        raise GraftError(f"{dataset.path} is damaged ({error}): remove this shard, and ingest again.") from error
    if len(reader) != located.records:
        raise GraftError(
            f"{dataset.path} holds {len(reader)} images and its record says {located.records}: ingest it again."
        )
    return reader
