"""Contamination: evaluated images that a model was trained on, where its figures would flatter it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.components.common.artifacts.dataset import MINIATURE, TRAIN
from graft.components.common.artifacts.model_source import SavedModel
from graft.components.common.compute.likeness.pictures import looks_of
from graft.components.common.compute.likeness.twins import find_twins
from graft.components.common.errors import GraftError

LOOKS = ("sha256", "phash", "brightness", MINIATURE)
"""The columns of an index by which images and their near twins are known; an older Graft's has no miniatures."""

Array = np.ndarray[Any, Any]


def find_contaminated(evaluated: Mapping[str, Sequence[Any]], model: SavedModel) -> Array:
    """Returns which images a model was trained on, or a near twin of: bool [N].

    Where an index has no miniatures, hash and brightness decide alone, and strangers that look alike count as near twins.

    Args:
        evaluated: Those of `LOOKS` that are known of the images.
        model: The model. If nothing is known of the images that it was trained on, none counts as contaminated.

    Raises:
        GraftError: The index of the model's dataset is damaged.
    """
    if model.index is None:
        return np.zeros(len(evaluated["sha256"]), bool)
    looks = [name for name in known_columns(model.index, LOOKS, model.uri) if name in evaluated]

    def both(name: str) -> pa.ChunkedArray:
        trained = _trained_on(model, name)
        return pa.chunked_array([*trained.chunks, pa.array(evaluated[name], trained.type)])

    contents = both("sha256").dictionary_encode().combine_chunks().indices.to_numpy()
    groups = np.full(len(contents), -1)
    count = len(contents) - len(evaluated["sha256"])
    groups[:count] = 0
    with _readable(model.uri):
        known = looks_of(both, has_miniatures=MINIATURE in looks)
    twins = find_twins(contents, known.phashes, known.brightness, groups, 1, groups < 0, known.miniatures)
    return np.asarray(twins.twin[count:, 0] >= 0)


def _trained_on(model: SavedModel, column: str) -> pa.ChunkedArray:
    """Reads a column of the index of a model's dataset, for the images that it was trained on."""
    with _readable(model.uri):
        found = pq.read_table(model.index, columns=[column], filters=[("split", "=", TRAIN)], pre_buffer=False)[column]
        if found.null_count:
            raise pa.ArrowInvalid(f"{column} has gaps")
        return found


def known_columns(index: Path, columns: Sequence[str], whose: str) -> list[str]:
    """Returns those of some columns that an index has.

    Args:
        index: The Parquet file.
        columns: The columns' names.
        whose: Path or URI of the dataset or model that the index belongs to, for the message.

    Raises:
        GraftError: The index is damaged.
    """
    with _readable(whose):
        names = pq.read_schema(index).names
    return [name for name in columns if name in names]


def read_index(index: Path, columns: Sequence[str], whose: str) -> dict[str, list[Any]]:
    """Reads columns of the index of a whole dataset, all splits.

    Args:
        index: The Parquet file.
        columns: The columns' names.
        whose: Path or URI of the dataset or model that the index belongs to, for the message.

    Raises:
        GraftError: The index is damaged, or has no such column.
    """
    with _readable(whose):
        return dict(pq.read_table(index, columns=list(columns)).to_pydict())


@contextlib.contextmanager
def _readable(whose: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise GraftError(f"The index of {whose} is damaged ({type(error).__name__}): name another.") from error
