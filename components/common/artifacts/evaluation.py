"""The Evaluation artifact: how good a model is on images that it was not trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from graft.components.common.artifacts.answers import Answered, RiskCoverage
from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.figures import Metrics
from graft.components.common.artifacts.lists.labels_list import LabelCheck
from graft.components.common.artifacts.record import Interval, Part, Setting, Sparse

_SHOWN = 10


class Slice(Part):
    """Accuracy on a part of the evaluated images."""

    by: str = Field(description="`class`, `size`, `brightness`, `folder`, or a manifest's column.")
    value: str = Field(description="Its value in this part.")
    images: int = Field(description="Images in this part.")
    accuracy: float = Field(description="Share of them that the model has right.")
    interval: Interval = Field(description="The 95% interval of that (Wilson).")


class Comparison(Part):
    """The challenger compared with a baseline on the images that the baseline was not trained on."""

    uri: str = Field(description="Path or URI of the baseline, without secrets.")
    model_digest: str = Field(description="SHA-256 of the baseline's `model.keras`.")
    accuracy: float = Field(description="Accuracy of the baseline.")
    difference: float = Field(description="Accuracy of the challenger, less that of the baseline.")
    interval: Interval = Field(description="The 95% interval of the difference.")
    lower: float = Field(description="With 95% confidence (one-sided) the difference is at least this.")
    p_value: float = Field(description="Of McNemar's exact one-sided test (1947) that the challenger is worse.")
    gained: int = Field(description="Images that only the challenger has right.")
    lost: int = Field(description="Images that only the baseline has right.")
    both_right: int = Field(description="Images that both have right.")
    both_wrong: int = Field(description="Images that both have wrong.")
    left_out: int = Field(
        0, description="Contaminated images left out: the baseline was trained on them or on near twins."
    )

    @property
    def images(self) -> int:
        """Images that were compared."""
        return self.gained + self.lost + self.both_right + self.both_wrong

    def versus(self, role: str) -> str:
        """Says by how much the challenger is better or worse than the baseline."""
        if self.difference == 0:
            return f"as accurate as the {role}"
        return f"{100 * abs(self.difference):.1f} points {'better' if self.difference > 0 else 'worse'} than the {role}"


class Comparisons(Part):
    """The baselines that the challenger was compared with."""

    champion: Comparison | None = Field(description="The registry's latest version, or the model that was named.")
    anchor: Comparison | None = Field(description="The best version so far, or the model that was named.")
    left_out: Mapping[str, tuple[str, ...]] = Field(
        {},
        exclude_if=lambda roles: not roles,
        description="The classes of a registered version that can't be compared with since it tells others apart, by role.",
    )

    def why_not(self, role: str) -> str:
        """Says why the challenger was not compared with a baseline, as a clause."""
        if classes := self.left_out.get(role):
            more = f", {len(classes) - _SHOWN:,} more" if len(classes) > _SHOWN else ""
            return f"not compared with the {role}, which tells {', '.join(classes[:_SHOWN])}{more} apart"
        return f"no {role} yet"

    def by_role(self) -> dict[str, Comparison | None]:
        """Returns the comparisons by role, `champion` first."""
        return {"champion": self.champion, "anchor": self.anchor}


class DriftMeasure(Part):
    """In one respect, how much the new images differ from those that the champion was made from."""

    name: str = Field(description="What is compared.")
    effect: float = Field(description="How much they differ.")
    kind: str = Field(description="The statistic that says so.")
    threshold: float = Field(description="From here on a difference counts.")
    p_value: float = Field(description="How often chance alone would make as large a difference.")
    flagged: bool = Field(description="Whether they differ by more than the threshold, and by more than chance.")
    before: str = Field(description="The old images in words.")
    now: str = Field(description="The new ones in words.")
    drivers: tuple[int, ...] = Field(description="If flagged, the evaluated images most unlike the old ones.")


class Drift(Part):
    """How the images that are new since the champion was made differ from those that it was made from."""

    old: Sparse[int] = Field(None, description="Images that the champion was made from.")
    new: Sparse[int] = Field(None, description="Today's images that are not among them.")
    reason: Sparse[str] = Field(None, description="Why nothing was compared; else None.")
    measures: Sparse[tuple[DriftMeasure, ...]] = Field(None, description="What was compared; None if nothing was.")
    flagged: tuple[str, ...] = Field((), description="Names of the measures that are flagged.")
    features_reason: Sparse[str] = Field(None, description="Why features were not compared; empty if they were.")


class Planted(Part):
    """Images that have nothing to do with the training images, made to see how well the score tells them."""

    kind: str = Field(description="What they are.")
    images: int = Field(description="How many.")
    beyond: int = Field(description="Those whose score is higher than 99% of the training images' own.")
    auc: float = Field(description="Area under the ROC curve by which the score tells them from evaluated images.")


class Foreign(Part):
    """Images unlike all training images: the score is the distance to the 10th nearest, by features. It promises nothing."""

    reason: Sparse[str] = Field(None, description="Why images were not scored; else None.")
    images: int = Field(0, description="Evaluated images that were scored, at most 10,000.")
    beyond: int = Field(0, description="Those whose score is higher than 99% of the training images' own.")
    planted: tuple[Planted, ...] = Field((), description="How well planted images are told.")


_UNKNOWN = Drift(reason="the Graft that evaluated it did not compare them")
_NOT_LOOKED = LabelCheck(reason="the Graft that evaluated it did not look for wrong ones")


class Evaluation(Artifact):
    """An evaluated model: its figures. Beside the record lie the predictions and the report."""

    FILE: ClassVar[str] = "evaluation.json"
    PREDICTIONS: ClassVar[str] = "predictions.parquet"
    """File name of the table of predictions, a row an image."""
    REPORT: ClassVar[str] = "report.html"
    """File name of the report."""
    LABELS: ClassVar[str] = "labels.csv"
    """File name of the list of labels that are probably wrong, which a person fills in."""
    REMEDY: ClassVar[str] = "evaluate again"

    split: str = Field(description="The split that the model was judged on.")
    images: int = Field(description="Images of that split.")
    classes: tuple[str, ...] = Field(description="The class names in label order.")
    metrics: Metrics = Field(description="The figures.")
    slices: tuple[Slice, ...] = Field(description="Accuracy on parts of the images.")
    comparisons: Comparisons = Field(description="The same images by champion and anchor.")
    drift: Drift = Field(_UNKNOWN, description="How images differ that are new since the champion.")
    risk_coverage: Sparse[RiskCoverage] = Field(
        None, description="Risk by coverage; left out of records of before there was that."
    )
    answered: Sparse[Answered] = Field(
        None, description="The images for which the model is confident; left out where it has no confidence chosen."
    )
    labels: LabelCheck = Field(
        _NOT_LOOKED, exclude_if=lambda labels: labels == _NOT_LOOKED, description="Labels that are probably wrong."
    )
    foreign: Sparse[Foreign] = Field(None, description="Images unlike all training images; left out of older records.")
    trained_twins: int = Field(
        0,
        exclude_if=lambda images: not images,
        description="Images that show pictures that trained the model, by twins of twins as well; left out if none does.",
    )
    selected_on_split: bool = Field(description="Whether these images had a part in training or in choosing the model.")
    images_per_second: float = Field(
        description="Images predicted in a second by the step itself; 0 if its parts predicted all."
    )
    dataset_digest: str = Field(description="Content digest of the dataset that it was evaluated on.")
    trained_on_digest: str = Field(description="Content digest of the dataset that it was trained on.")
    model_digest: str = Field(description="SHA-256 of the `model.keras` that was evaluated.")
    settings: Mapping[str, Setting] = Field(description="Settings, with the baselines that there were.")

    @property
    def predictions(self) -> Path:
        """The table of predictions."""
        return self.path / self.PREDICTIONS
