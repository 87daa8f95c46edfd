"""Features: the frozen backbone's output for every image, computed once."""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from graft.components.common.dataset import TRAIN, Dataset
from graft.components.common.images import pass_over
from graft.components.train.config import TrainConfig
from graft.components.train.feature_cache import FeatureCache, half
from graft.components.train.preprocessing import VERSION

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Features:
    """The training images' features.

    Attributes:
        vectors: float32 [N, F], in the order of the index.
        labels: int64 [N].
        computed: How many images went through the backbone; the others' features were in the store.
    """

    vectors: Array
    labels: Array
    computed: int


def kind_of_features(config: TrainConfig, weights_digest: str) -> dict[str, Any]:
    """Returns all that an image's features depend on but the image itself.

    Args:
        config: The step's settings.
        weights_digest: Digest of the backbone's weights.
    """
    return {
        "backbone": config.backbone,
        "weights": weights_digest,
        "cut": config.cut,
        "image_size": config.image_size,
        "preprocessing": VERSION,
        "pooling": config.head,
        "view": "as it is",
    }


def compute_features(dataset: Dataset, preprocessing: Any, extractor: Any, cache: FeatureCache) -> Features:
    """Runs the training images through preprocessing and extractor, each once in the life of the cache.

    All features pass through float16, in which they are kept, so that training on kept ones gives the same weights.

    Args:
        dataset: The dataset.
        preprocessing: Keras model from uint8 images to the extractor's input.
        extractor: Keras model from that to a vector: backbone and pooling.
        cache: Where features are looked up and kept.
    """
    index = dataset.index(TRAIN, ["sha256", "label"])
    sha256s, width = index["sha256"], extractor.output.shape[1]
    features, found = cache.find(sha256s, width)
    missing = np.flatnonzero(~found)
    done = 0
    if len(missing):
        for outputs, _ in pass_over("computing features", dataset, TRAIN, preprocessing, extractor, wanted=~found):
            rows = missing[done : done + len(outputs)]
            features[rows] = half(outputs)
            cache.keep([sha256s[row] for row in rows], features[rows])
            done += len(outputs)
        cache.flush()
        cache.tidy(width)
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    labels = np.array([numbers[name] for name in index["label"]], np.int64)
    return Features(features.astype(np.float32), labels, len(missing))


def selection_mask(sha256s: list[str], labels: Array, fraction: float) -> Array:
    """Chooses the training images that select the best weights, by content, the asked share of each class.

    Args:
        sha256s: The images' content digests.
        labels: int64 [N] labels.
        fraction: The share, of which at least one image a class is taken where the class has two.

    Returns:
        bool [N], true for images that are set aside.
    """
    ranks = np.array([hashlib.sha256(f"selection {sha256}".encode()).hexdigest() for sha256 in sha256s])
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        mask[members[np.argsort(ranks[members])][:count]] = True
    return mask
