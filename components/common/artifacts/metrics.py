"""The figures of an evaluation. A figure that can't be computed, as for a class without images, is None."""

from collections.abc import Mapping

from graft.components.common.artifacts.schema import Interval, Part


class Bin(Part):
    """The images of about the same confidence."""

    low: float
    """Confidence is above this."""
    high: float
    """Confidence is at most this."""
    images: int
    """Images in the bin; none is empty."""
    confidence: float
    """Their mean confidence: the probability of the predicted class."""
    accuracy: float
    """Share of them that are right."""


class Threshold(Part):
    """Of two classes, the probability of the second from which an image is best called so."""

    best: float
    """The threshold of the highest balanced accuracy."""
    balanced_accuracy: float
    """Mean recall of both classes with it."""
    balanced_accuracy_at_half: float
    """Mean recall of both classes above one half."""


class RocCurve(Part):
    """The corners of a ROC curve, at most 200."""

    false_positive_rate: tuple[float, ...]
    """False positive rate at each corner, ascending."""
    true_positive_rate: tuple[float, ...]
    """True positive rate at each corner, ascending."""
    thresholds: tuple[float, ...]
    """Threshold of each corner, descending; the first is above every score."""


class ClassMetrics(Part):
    """The figures of one class, held against the rest."""

    images: int
    """Images of the class."""
    precision: float | None
    """Share of the images called so that are."""
    recall: float | None
    """Share of the class's images that are called so."""
    recall_interval: Interval | None
    """The 95% interval of recall (Wilson)."""
    f1: float | None
    """Harmonic mean of precision and recall."""
    auc: float | None
    """Area under the ROC curve."""
    average_precision: float | None
    """Average precision."""


class Metrics(Part):
    """The figures of an evaluation."""

    accuracy: float
    """Share of the images that are right."""
    accuracy_interval: Interval
    """The 95% interval of accuracy (Wilson)."""
    loss: float
    """Cross-entropy in nats."""
    auc: float | None
    """Area under the ROC curve: of the second of two classes; of more, the mean over each against the rest."""
    average_precision: float | None
    """Average precision, of the same classes."""
    ece: float
    """Expected calibration error."""
    reliability: tuple[Bin, ...]
    """The images by confidence, ascending."""
    threshold: Threshold | None
    """The best threshold, of two classes only."""
    confusion: tuple[tuple[int, ...], ...]
    """Images by true class (rows) and predicted class (columns), in label order."""
    roc: Mapping[str, RocCurve]
    """ROC curves by class: of two classes the second alone."""
    by_class: Mapping[str, ClassMetrics]
    """Figures by class, in label order."""
