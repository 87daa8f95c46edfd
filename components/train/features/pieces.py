"""Where each piece of an image's features is kept: a view of it at a cut."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.components.common.compute.kept_features import FeatureCache, kind_of_features
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import Needed
from graft.components.train.network.assembly import Network

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Piece:
    """The features of a view at a cut.

    Attributes:
        view: The view's number.
        columns: The columns that they go to.
        cache: Where they are kept.
    """

    view: int
    columns: slice
    cache: FeatureCache

    @property
    def width(self) -> int:
        """How many numbers they are."""
        return int(self.columns.stop - self.columns.start)


def columns_of(config: TrainConfig, network: Network) -> dict[str, slice]:
    """Returns the columns of the features that each cut gives."""
    cuts = config.cut.split("+")
    if len(cuts) == 1:
        return {config.cut: slice(0, network.extractor.output.shape[1])}
    ends = np.cumsum([output.shape[-1] for output in network.backbone.outputs]).tolist()
    return {cut: slice(start, end) for cut, start, end in zip(cuts, [0, *ends], ends, strict=False)}


def pieces_of(
    store: str, config: TrainConfig, network: Network, views: Sequence[str], precision: str = ""
) -> list[Piece]:
    """Returns all pieces of an image's features.

    Args:
        store: Path or URI of the store; empty for none.
        config: Names what features depend on.
        network: What stands before the head.
        views: The names of the views.
        precision: Keras' dtype policy of the backbone that computes them; empty for that of `network`.
    """
    settings, precision = dataclasses.asdict(config), precision or network.precision
    return [
        Piece(
            view,
            columns,
            FeatureCache(store, kind_of_features(settings, network.weights_digest, precision, name, cut)),
        )
        for view, name in enumerate(views)
        for cut, columns in columns_of(config, network).items()
    ]


def lacking(needed: Needed, pieces: Sequence[Piece]) -> Array:
    """Returns which of the images lack which piece, bool [P, n], by the names in the store's packs: no features are read.

    Raises:
        GraftError: The store can't be read.
    """
    return np.stack([piece.cache.lacking(needed.sha256s) for piece in pieces])
