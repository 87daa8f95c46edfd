"""The pictures that images show: copies and twins of one picture stay together, whatever images are divided for."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graft.components.common.artifacts.dataset import INDEX, MINIATURE, Dataset
from graft.components.common.artifacts.lists.tables import named_if_damaged
from graft.components.common.compute.likeness.miniatures import SIDE, Miniatures, as_rows, mark
from graft.components.common.compute.likeness.twins import number_pictures

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

_ROWS = 2**14


class Looks(NamedTuple):
    """How images look, as an index tells it.

    Attributes:
        phashes: uint64 [N] perceptual hashes.
        brightness: float64 [N] mean luma, 0 to 255.
        miniatures: The miniatures; None if the index has none, as an older Graft's.
    """

    phashes: Array
    brightness: Array
    miniatures: Miniatures | None


def looks_of(column: "Callable[[str], pa.ChunkedArray]", *, has_miniatures: bool) -> Looks:
    """Reads how images look from an index.

    Args:
        column: Returns a column by its name. One is asked for after the other: as objects of Python those of a million images would take
            gigabytes.
        has_miniatures: Whether there is such a column.

    Raises:
        pyarrow.ArrowException: The index is damaged.
    """
    import pyarrow as pa

    column_of_hashes = column("phash")
    parts = (column_of_hashes.slice(start, _ROWS).to_pylist() for start in range(0, len(column_of_hashes), _ROWS))
    phashes = np.fromiter((int(phash, 16) for part in parts for phash in part), np.uint64, len(column_of_hashes))
    miniatures = None
    if has_miniatures:
        # Another tool may have written the index anew, with miniatures of any length.
        pictures = as_rows(column(MINIATURE).cast(pa.binary(SIDE**2)).combine_chunks())
        marks = [mark(pictures[start : start + _ROWS]) for start in range(0, len(pictures), _ROWS)]
        miniatures = Miniatures(np.concatenate([np.empty(0, np.uint64), *marks]), pictures.__getitem__)
    return Looks(phashes, column("brightness").to_numpy().astype(float), miniatures)


def pictures_of(dataset: Dataset, splits: Sequence[str]) -> Array:
    """Numbers the pictures that the images of some splits show: the same bytes, near twins, and twins of twins are one picture.

    The dataset's record tells each image's nearest twin, by which a burst would fall into pairs. So those that have one are compared
    anew, and no others: strangers that look alike would take a time that grows with the square of their number. Where the index has no
    miniatures, as an older Graft's, hash and brightness decide alone.

    Args:
        dataset: Holds the images.
        splits: The splits.

    Returns:
        int64 [N], the picture of each image, one split after the other, each in the order of its index.

    Raises:
        GraftError: The index, or the list of twins beside it, is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    pictures, index = np.arange(sum(map(dataset.count, splits))), dataset.path / INDEX
    paths = dataset.twin_paths()
    if not paths:
        return pictures

    def column(name: str) -> pa.ChunkedArray:
        parts = [pq.read_table(index, columns=[name], filters=[("split", "=", split)])[name] for split in splits]
        found = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
        if found.null_count:
            raise pa.ArrowInvalid(f"{name} has gaps")
        return found

    with named_if_damaged(index):
        has_twin = pc.is_in(column("path"), value_set=pa.array(paths, pa.string()))
        looks = looks_of(
            lambda name: column(name).filter(has_twin), has_miniatures=MINIATURE in pq.read_schema(index).names
        )
    rows = np.flatnonzero(has_twin)
    _, first, number = np.unique(number_pictures(*looks), return_index=True, return_inverse=True)
    pictures[rows] = rows[first][number]
    return pictures


def deal_folds(pictures: Array, labels: Array, folds: int) -> Array:
    """Deals images to folds, the pictures of each class evenly. Images of one picture are in one fold.

    Args:
        pictures: int64 [N], as `pictures_of` numbers them. They are dealt in the order of their first images.
        labels: int64 [N], the images' labels.
        folds: How many folds.

    Returns:
        int64 [N], the folds, from 0.
    """
    _, first, number = np.unique(pictures, return_index=True, return_inverse=True)
    dealt = np.empty(len(first), np.int64)
    for label in np.unique(labels[first]):
        members = np.flatnonzero(labels[first] == label)
        dealt[members[np.argsort(first[members])]] = np.arange(len(members)) % folds
    return dealt[number]
