"""Features that outlive a run: in the store, in packs."""

from typing import Any

import numpy as np

from graft.components.common.compute.packs import PackCache

Array = np.ndarray[Any, Any]


class FeatureCache(PackCache):
    """The features of one kind, float16: of weights, cut, image size, preprocessing and view."""

    NAME, DTYPE = "features", np.float16


def half(features: Array) -> Array:
    """Returns float32 features as float16, as they are kept: those beyond its range become its largest number."""
    largest = np.finfo(np.float16).max
    return features.clip(-largest, largest).astype(np.float16)
