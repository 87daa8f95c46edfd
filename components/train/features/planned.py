"""What the plan of a training found to be computed: the list that its parts share."""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.errors import GraftError
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import prediction_views, views_of

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

_DATASET, _SETTINGS, _WORK = b"dataset", b"settings", b"work"
_DECIDING = (
    "backbone",
    "cut",
    "image_size",
    "scaling",
    "head",
    "augmentation",
    "selection_split",
    "selection_fraction",
)


@dataclasses.dataclass(frozen=True)
class Work:
    """How much is computed of a split, by all parts together: batches and XLA go by it, so that no number depends on how it is shared.

    Attributes:
        images: How many images pass through the extractor.
        views: The numbers of the views that some of them lack.
    """

    images: int
    views: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Planned:
    """What is to be computed.

    Attributes:
        dataset: Digest of the dataset.
        settings: The settings that decide which features are needed, as `deciding` returns them.
        rows: int64 [n], by split: the rows of images that lack features in the split's index, ascending.
        work: By precision and split: how much that is where the backbone has that precision.
    """

    dataset: str
    settings: str
    rows: Mapping[str, Array]
    work: Mapping[str, Mapping[str, Work]]

    def to_table(self) -> "pa.Table":
        """Returns the list as `plan_parts` takes it: split and row of each image."""
        import pyarrow as pa

        work = {
            precision: {split: [one.images, one.views] for split, one in splits.items()}
            for precision, splits in self.work.items()
        }
        tables = [
            pa.table({"split": pa.repeat(split, len(rows)), "row": pa.array(rows, pa.int64())})
            for split, rows in self.rows.items()
        ]
        about = {_DATASET: self.dataset, _SETTINGS: self.settings, _WORK: json.dumps(work)}
        return pa.concat_tables(tables).replace_schema_metadata(about)

    @classmethod
    def of_table(cls, table: "pa.Table", dataset: Dataset, config: TrainConfig) -> Self:
        """Reads what `to_table` returned, or a part's share of it.

        Raises:
            GraftError: It is of another dataset, or of settings that need other features.
        """
        import pyarrow.compute as pc

        metadata = table.schema.metadata or {}
        if (digest := metadata.get(_DATASET, b"").decode()) != dataset.digest:
            raise GraftError(
                f"The parts of this run were planned for another dataset than {dataset.path}: give the training a run id of its own."
            )
        if metadata.get(_SETTINGS, b"").decode() != (settings := deciding(config)):
            raise GraftError(
                "The parts of this run were planned for other settings, which need other features: give all the same ones, or give the "
                "training a run id of its own."
            )
        work = {
            precision: {split: Work(images, tuple(views)) for split, (images, views) in splits.items()}
            for precision, splits in json.loads(metadata[_WORK]).items()
        }
        rows = {
            split: table.filter(pc.equal(table["split"], split))["row"].to_numpy()
            for split in pc.unique(table["split"]).to_pylist()
        }
        return cls(digest, settings, rows, work)

    def work_of(self, precision: str, split: str) -> Work | None:
        """Returns how much is computed of a split; None for nothing that was planned."""
        return self.work.get(precision, {}).get(split)


def deciding(config: TrainConfig) -> str:
    """Returns those settings that decide which features are needed, as JSON."""
    views = {"views": views_of(config), "prediction": prediction_views(config)}
    return json.dumps({name: getattr(config, name) for name in _DECIDING} | views)
