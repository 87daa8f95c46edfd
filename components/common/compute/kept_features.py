"""Features that outlive a run: in the store, in packs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graft.components.common.compute.decoding import VERSION as DECODING
from graft.components.common.compute.packs import PackCache

PLAIN = "as it is"
"""The view of an image that nothing was done to."""

Array = np.ndarray[Any, Any]


class FeatureCache(PackCache):
    """The features of one kind, float16: of weights, cut, image size, preprocessing and view."""

    NAME, DTYPE = "features", np.float16


def kind_of_features(
    settings: Mapping[str, Any], weights_digest: str, precision: str, view: str, cut: str
) -> dict[str, Any]:
    """Returns all that an image's features of a view at a cut depend on but the image itself.

    Args:
        settings: Those of the training: backbone, image size in pixels, scaling and head.
        weights_digest: SHA-256 of the backbone's weights.
        precision: Keras' dtype policy of the backbone.
        view: The view's name.
        cut: The cut: each of several keeps its own, so that others find them.
    """
    return {
        "backbone": settings["backbone"],
        "weights": weights_digest,
        "precision": precision,
        "cut": cut,
        "image_size": settings["image_size"],
        "preprocessing": f"{settings['scaling']}, {DECODING}",
        "pooling": settings["head"],
        "view": view,
    }


def half(features: Array) -> Array:
    """Returns float32 features as float16, as they are kept: those beyond its range become its largest number."""
    largest = np.finfo(np.float16).max
    return features.clip(-largest, largest).astype(np.float16)
