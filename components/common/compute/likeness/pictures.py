"""The pictures that images show: copies and twins of one picture stay together, whatever images are divided for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset

Array = np.ndarray[Any, Any]


def pictures_of(dataset: Dataset, split: str) -> Array:
    """Returns int64 [N], the pictures of a split's images in the order of the index, as `number_pictures` numbers them.

    Raises:
        GraftError: The dataset's index or its whole lists are missing or damaged.
    """
    index = dataset.index(split, ["sha256", "path"])
    return number_pictures(index["sha256"], twin_rows(dataset, index["path"]))


def twin_rows(dataset: Dataset, paths: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yields the pairs among some images that the dataset knows as near twins, by their places among the paths.

    Raises:
        GraftError: The dataset's whole lists are missing or damaged.
    """
    pairs = dataset.twins()
    named = {path for pair in pairs for path in pair}
    rows = {path: row for row, path in enumerate(paths) if path in named}
    return ((rows[one], rows[other]) for one, other in pairs if one in rows and other in rows)


def number_pictures(sha256s: Sequence[str], twins: Iterable[tuple[int, int]] = ()) -> Array:
    """Numbers the pictures that images show, by their content alone. The same bytes, and twins of twins, are one picture.

    Args:
        sha256s: The images' content digests.
        twins: Pairs of rows that show the same picture; of a chain of pairs all do.

    Returns:
        int64 [N], the pictures, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    different, content = np.unique(np.array(sha256s, "S"), return_inverse=True)
    pairs = content[np.array(list(twins), np.int64).reshape(-1, 2)]
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(different), len(different)))
    return np.asarray(connected_components(graph, directed=False)[1][content], np.int64)


def deal_folds(pictures: Array, labels: Array, folds: int) -> Array:
    """Deals images to folds, the pictures of each class evenly. Images of one picture are in one fold.

    Args:
        pictures: int64 [N], as `number_pictures` numbers them.
        labels: int64 [N], the images' labels.
        folds: How many folds.

    Returns:
        int64 [N], the folds, from 0.
    """
    _, first, number = np.unique(pictures, return_index=True, return_inverse=True)
    dealt = np.empty(len(first), np.int64)
    for label in np.unique(labels[first]):
        members = np.flatnonzero(labels[first] == label)
        dealt[members] = np.arange(len(members)) % folds
    return dealt[number]
