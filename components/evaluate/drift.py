"""Drift: whether the images that are new since the champion was made come from another distribution than those it was made from.

Every measure has an effect size, which counts, and a p-value, which only keeps chance out: of many images the smallest difference is
significant, and of few a large one is nothing.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import INDEX, Dataset
from graft.components.common.artifacts.evaluation import Drift, DriftMeasure
from graft.components.common.artifacts.model_source import SavedModel
from graft.components.evaluate.contamination import read_index

Array = np.ndarray[Any, Any]

COLUMNS = ("sha256", "label", "width", "height", "brightness")
"""The columns of an index that are compared."""

LEAST = 30
"""With fewer new or old images nothing is compared."""

DRIVERS = 12
"""How many images of a flagged measure are named."""

# Each is what Cohen calls a medium effect ("Statistical Power Analysis for the Behavioral Sciences", 1988): w 0.3 for shares; two normal
# distributions half a standard deviation apart have a Kolmogorov-Smirnov distance of 0.2 and an area under the ROC curve of 0.64.
BALANCE, DISTANCE, AREA = 0.3, 0.2, 0.64
_P = 0.001
_DRAWS = 2_999
_FOLDS = 5
_REGULARIZATION = 0.01


def drift_since(
    champion: SavedModel | None,
    dataset: Dataset,
    shown: Mapping[str, Sequence[Any]],
    features: Array,
    *,
    left_out: bool = False,
) -> Drift:
    """Compares the images that are new since the champion with those that it was made from.

    Args:
        champion: The champion; None for none.
        dataset: Today's dataset.
        shown: `COLUMNS` of the evaluated images.
        features: float32 [N, F] of the evaluated images: what the model's last layer sees.
        left_out: Whether there is one, and it tells other classes apart.

    Raises:
        GraftError: An index is damaged.
    """
    if champion is None:
        return Drift(reason="it tells other classes apart" if left_out else "there is no champion yet")
    if champion.index is None:
        return Drift(reason=f"{champion.uri} has no index of the images that it was made from")
    old = read_index(champion.index, COLUMNS, champion.uri)
    today = read_index(dataset.path / INDEX, COLUMNS, str(dataset.path))
    return measure_drift(old, today, shown, features)


def measure_drift(
    old: Mapping[str, Sequence[Any]],
    today: Mapping[str, Sequence[Any]],
    shown: Mapping[str, Sequence[Any]],
    features: Array,
) -> Drift:
    """Compares the images that are new with the old ones.

    Args:
        old: `COLUMNS` of all images that the champion was made from, training, validation and test.
        today: `COLUMNS` of all of today's images.
        shown: `COLUMNS` of the evaluated images, from which drivers are taken.
        features: float [N, F] of the evaluated images: what the model's last layer sees.
    """
    known = set(old["sha256"])
    is_new, shown_new = (np.array([digest not in known for digest in index["sha256"]]) for index in (today, shown))
    counts = {"old": len(known), "new": int(is_new.sum())}
    if too_few := _too_few(**counts, images="images"):
        return Drift(**counts, reason=too_few)
    fresh = {name: [value for value, new in zip(today[name], is_new, strict=True) if new] for name in COLUMNS}
    measures = [_balance(old["label"], fresh["label"])]
    for name, unit in (("size", "pixels"), ("brightness", "of 255")):
        before, now, seen = (_values(index, name) for index in (old, fresh, shown))
        measures.append(_distribution(name, unit, before, now, seen, shown_new))
    too_few = _too_few((~shown_new).sum(), shown_new.sum(), "of the evaluated images")
    if not too_few:
        measures.append(_features(features, shown_new))
    flagged = tuple(measure.name for measure in measures if measure.flagged)
    return Drift(**counts, measures=tuple(measures), flagged=flagged, features_reason=too_few)


def _too_few(old: int, new: int, images: str) -> str:
    which = "new" if new < LEAST else "old" if old < LEAST else ""
    return f"fewer than {LEAST} {images} are {which}" if which else ""


def _balance(old: Sequence[str], new: Sequence[str]) -> DriftMeasure:
    """Compares the shares of the classes by Cohen's w, the old shares being expected."""
    classes = sorted({*old, *new})
    counts = np.array([[labels[name] for name in classes] for labels in (Counter(old), Counter(new))])
    before, now = ((row + 0.5) / (row + 0.5).sum() for row in counts)
    effect = math.sqrt(float(((now - before) ** 2 / before).sum()))
    p_value = _p_of_shares(counts)
    largest = int(np.abs(now - before).argmax())
    described = [f"{share[largest]:.1%} {classes[largest]}" for share in counts / counts.sum(axis=1, keepdims=True)]
    return _measure("class balance", effect, "Cohen's w", BALANCE, p_value, described, [])


def _p_of_shares(counts: Array) -> float:
    """Returns how often as many new images, drawn by chance from all, differ as much in Pearson's chi-squared statistic.

    The statistic's usual distribution is of no use where classes are rare: one image of such a class would raise an alarm.

    Args:
        counts: int [2, C], images by class, old and new.
    """
    both, new = counts.sum(axis=0), counts[1]
    expected = both * (new.sum() / both.sum())
    draws = np.random.default_rng(0).multivariate_hypergeometric(both, new.sum(), _DRAWS, method="marginals")
    found, drawn = (((sample - expected) ** 2 / both).sum(axis=-1) for sample in (new, draws))
    return float((1 + (drawn >= found * (1 - 1e-9)).sum()) / (1 + _DRAWS))


def _distribution(name: str, unit: str, old: Array, new: Array, shown: Array, shown_new: Array) -> DriftMeasure:
    """Compares the distributions of a number by the distance of Kolmogorov and Smirnov."""
    from scipy.stats import ks_2samp

    found = ks_2samp(old, new, method="asymp")
    medians = [float(np.median(values)) for values in (old, new)]
    described = [f"{median:,.0f} {unit} (median)" for median in medians]
    away = (shown - medians[0]) * np.sign(medians[1] - medians[0] or 1)
    drivers = [int(row) for row in np.argsort(-away, kind="stable") if shown_new[row]]
    return _measure(
        name, float(found.statistic), "Kolmogorov-Smirnov distance", DISTANCE, float(found.pvalue), described, drivers
    )


def _features(features: Array, is_new: Array) -> DriftMeasure:
    """Lets a classifier tell new from old by their features: the area under its cross-validated ROC curve is 0.5 if they are alike.

    Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.
    """
    from scipy.stats import mannwhitneyu
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=_REGULARIZATION, class_weight="balanced", max_iter=1000)
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    scores = cross_val_predict(classifier, features, is_new, cv=folds, method="decision_function")
    test = mannwhitneyu(scores[is_new], scores[~is_new], alternative="greater")
    area = float(test.statistic / (is_new.sum() * (~is_new).sum()))
    described = [f"{int(part.sum()):,} evaluated images" for part in (~is_new, is_new)]
    drivers = [int(row) for row in np.argsort(-scores, kind="stable") if is_new[row]]
    return _measure("features", area, "area under the ROC curve", AREA, float(test.pvalue), described, drivers)


def _measure(
    name: str, effect: float, kind: str, threshold: float, p_value: float, described: Sequence[str], drivers: list[int]
) -> DriftMeasure:
    beyond = effect >= threshold and p_value < _P
    return DriftMeasure(
        name=name,
        effect=effect,
        kind=kind,
        threshold=threshold,
        p_value=p_value,
        flagged=beyond,
        before=described[0],
        now=described[1],
        drivers=tuple(drivers[:DRIVERS]) if beyond else (),
    )


def _values(index: Mapping[str, Sequence[Any]], name: str) -> Array:
    if name == "brightness":
        return np.array(index["brightness"], float)
    sides = np.array([index["width"], index["height"]], float)
    return np.asarray(sides.prod(axis=0))
