"""Listing the images that a run evaluates, and sharing them out to parts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.common.runs.parts import plan_parts
from graft.components.common.runs.run import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluated import evaluated_split, load_both

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]


def plan_evaluate(model: Path, dataset: Path, config: EvaluateConfig, run: Run, parts: int, images: int) -> list[str]:
    """Lists the images that the new model is run on, which are all of the split, and decides how many parts share them.

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.
        config: The split.
        run: The run, with a store.
        parts: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts, as `plan_parts` does.

    Raises:
        GraftError: Model or dataset can't be used or don't belong together, or the store can't be written.
    """
    data, _ = load_both(model, dataset)
    return plan_parts(run, "evaluate", to_answer(data, evaluated_split(data, config)), parts, images)


def to_answer(data: Dataset, split: str) -> "pa.Table":
    """Returns the rows of a split's images in its index."""
    import pyarrow as pa

    rows = pa.array(range(data.count(split)), pa.int64())
    return pa.table({"row": rows}).replace_schema_metadata(_about(data, split))


def rows_of(items: "pa.Table", data: Dataset, split: str) -> Array:
    """Reads rows that `to_answer` returned, int64 [n].

    Raises:
        GraftError: They are another dataset's, or another split's.
    """
    if items.schema.metadata != _about(data, split):
        raise GraftError(
            f"The parts of this run were planned for other images than the {split} images of {data.path}: give the evaluation a run id "
            "of its own."
        )
    return np.asarray(items["row"].to_numpy())


def _about(data: Dataset, split: str) -> dict[bytes, bytes]:
    return {b"dataset": data.digest.encode(), b"split": split.encode()}
