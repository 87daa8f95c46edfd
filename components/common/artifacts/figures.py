"""The figures of an evaluation: accuracy, calibration, confusion, and each class held against the rest."""

from collections.abc import Mapping

from pydantic import Field

from graft.components.common.artifacts.record import Interval, Part

MOST_CLASSES = 50
"""With more classes a record has no whole confusion matrix, which grows with their square, and not every ROC curve."""
MOST_CONFUSED = 100
"""In place of the matrix it has so many pairs of classes."""


class Bin(Part):
    """The images of about the same confidence."""

    low: float = Field(description="Confidence is above this.")
    high: float = Field(description="Confidence is at most this.")
    images: int = Field(description="Images in the bin; none is empty.")
    confidence: float = Field(description="Their mean confidence: the probability of the predicted class.")
    accuracy: float = Field(description="Share of them that are right.")


class Threshold(Part):
    """Of two classes, the probability of the second from which an image is best called so."""

    best: float = Field(description="The threshold of the highest balanced accuracy.")
    balanced_accuracy: float = Field(description="Mean recall of both classes with it.")
    balanced_accuracy_at_half: float = Field(description="Mean recall of both classes above one half.")


class RocCurve(Part):
    """The corners of a ROC curve, at most 200."""

    false_positive_rate: tuple[float, ...] = Field(description="False positive rate at each corner, ascending.")
    true_positive_rate: tuple[float, ...] = Field(description="True positive rate at each corner, ascending.")
    thresholds: tuple[float, ...] = Field(description="Thresholds, descending; the first is above every score.")


class Confused(Part):
    """Images of one class that the model takes for another."""

    true: str = Field(description="The true class.")
    predicted: str = Field(description="The predicted class.")
    images: int = Field(description="Such images.")


class ClassMetrics(Part):
    """The figures of one class, held against the rest."""

    images: int = Field(description="Images of the class.")
    precision: float | None = Field(description="Share of the images called so that are.")
    recall: float | None = Field(description="Share of the class's images that are called so.")
    recall_interval: Interval | None = Field(description="The 95% interval of recall (Wilson).")
    f1: float | None = Field(description="Harmonic mean of precision and recall.")
    auc: float | None = Field(description="Area under the ROC curve.")
    average_precision: float | None = Field(description="Average precision.")


class Metrics(Part):
    """The figures of an evaluation."""

    accuracy: float = Field(description="Share of the images that are right.")
    accuracy_interval: Interval = Field(description="The 95% interval of accuracy (Wilson).")
    loss: float = Field(description="Cross-entropy in nats.")
    auc: float | None = Field(description="Area under the ROC curve: of the second of two classes; else the mean.")
    average_precision: float | None = Field(description="Average precision, of the same classes.")
    ece: float = Field(description="Expected calibration error.")
    reliability: tuple[Bin, ...] = Field(description="The images by confidence, ascending.")
    threshold: Threshold | None = Field(description="The best threshold, of two classes only.")
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="Images by true class (rows) and predicted (columns); empty for more than 50 classes."
    )
    confused: tuple[Confused, ...] = Field(
        (),
        exclude_if=lambda pairs: not pairs,
        description="For more than 50 classes, the 100 pairs that are mistaken most often; `predictions.parquet` has all.",
    )
    roc: Mapping[str, RocCurve] = Field(
        description="ROC curves by class: of two classes the second alone, of more than 50 those with the smallest areas."
    )
    by_class: Mapping[str, ClassMetrics] = Field(description="Figures by class, in label order.")

    @property
    def worst_first(self) -> list[str]:
        """The classes in label order, or, if they are too many to be all seen at once, those of the lowest recall first."""
        if len(self.by_class) <= MOST_CLASSES:
            return list(self.by_class)
        recalls = {name: found.recall for name, found in self.by_class.items()}
        return sorted(recalls, key=lambda name: (recalls[name] is None, recalls[name] or 0.0))
