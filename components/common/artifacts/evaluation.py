"""The Evaluation artifact: how good a model is on images that it was not trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from graft.components.common.artifacts.metrics import Metrics
from graft.components.common.artifacts.records import Artifact
from graft.components.common.artifacts.schema import Interval, Part, Setting, is_none


class Slice(Part):
    """Accuracy on a part of the evaluated images."""

    by: str
    """What the images are cut by: `class`, `size`, `brightness`, `folder`, or a manifest's column."""
    value: str
    """Its value in this part."""
    images: int
    """Images in this part."""
    accuracy: float
    """Share of them that the model has right."""
    interval: Interval
    """The 95% interval of that (Wilson)."""


class Comparison(Part):
    """A model compared with another one on the images that the other one was not trained on."""

    uri: str
    """Path or URI of the other model, without secrets."""
    model_digest: str
    """SHA-256 of the other one's `model.keras`."""
    accuracy: float
    """Accuracy of the other one."""
    difference: float
    """Accuracy of this model, less that of the other one."""
    interval: Interval
    """The 95% interval of the difference."""
    lower: float
    """With 95% confidence (one-sided) the difference is at least this."""
    p_value: float
    """Of the exact one-sided McNemar test that this model is worse."""
    gained: int
    """Images that this model alone has right."""
    lost: int
    """Images that the other one alone has right."""
    both_right: int
    """Images that both have right."""
    both_wrong: int
    """Images that both have wrong."""
    left_out: int = 0
    """Images that were not compared, since the other one was trained on them or on near twins of them."""

    @property
    def images(self) -> int:
        """Images that were compared."""
        return self.gained + self.lost + self.both_right + self.both_wrong


class Comparisons(Part):
    """The models that a model was compared with."""

    champion: Comparison | None
    """The registry's latest version, or the model that was named; None where there is none."""
    anchor: Comparison | None
    """The best version so far, or the model that was named; None where there is none."""

    def by_role(self) -> dict[str, Comparison | None]:
        """Returns the comparisons by role, `champion` first."""
        return {"champion": self.champion, "anchor": self.anchor}


class DriftMeasure(Part):
    """In one respect, how much the new images differ from those that the champion was made from."""

    name: str
    """What is compared."""
    effect: float
    """How much they differ."""
    kind: str
    """The statistic that says so."""
    threshold: float
    """From here on a difference counts."""
    p_value: float
    """How often chance alone would make as large a difference."""
    flagged: bool
    """Whether they differ by more than the threshold, and by more than chance."""
    before: str
    """The old images in words."""
    now: str
    """The new ones in words."""
    drivers: tuple[int, ...]
    """Rows of evaluated images that are most unlike the old ones; none unless flagged."""


class Drift(Part):
    """How the images that are new since the champion was made differ from those that it was made from."""

    old: int | None = Field(default=None, exclude_if=is_none)
    """Images that the champion was made from."""
    new: int | None = Field(default=None, exclude_if=is_none)
    """Today's images that are not among them."""
    reason: str | None = Field(default=None, exclude_if=is_none)
    """Why nothing was compared; None if something was."""
    measures: tuple[DriftMeasure, ...] | None = Field(default=None, exclude_if=is_none)
    """What was compared; None if nothing was."""
    flagged: tuple[str, ...] = ()
    """Names of the measures that are flagged."""
    features_reason: str | None = Field(default=None, exclude_if=is_none)
    """Why features were not compared; empty if they were, None if nothing was."""


class Evaluation(Artifact):
    """An evaluated model: its figures. Beside the record lie the predictions and the report."""

    FILE: ClassVar[str] = "evaluation.json"
    PREDICTIONS: ClassVar[str] = "predictions.parquet"
    """File name of the table of predictions, a row an image."""
    REPORT: ClassVar[str] = "report.html"
    """File name of the report."""
    REMEDY: ClassVar[str] = "evaluate again"

    split: str
    """The split that the model was judged on."""
    images: int
    """Images of that split."""
    classes: tuple[str, ...]
    """The class names in label order."""
    metrics: Metrics
    """The figures."""
    slices: tuple[Slice, ...]
    """Accuracy on parts of the images."""
    comparisons: Comparisons
    """The same images by champion and anchor."""
    drift: Drift = Drift(reason="the Graft that evaluated it did not compare them")
    """In what the new images differ from those that the champion was made from."""
    selected_on_split: bool
    """Whether these images had a part in training or in choosing the model."""
    images_per_second: float
    """Images predicted in a second."""
    dataset_digest: str
    """Content digest of the dataset that it was evaluated on."""
    trained_on_digest: str
    """Content digest of the dataset that it was trained on."""
    model_digest: str
    """SHA-256 of the `model.keras` that was evaluated."""
    settings: Mapping[str, Setting]
    """The step's settings; `champion` and `anchor` are the models that were met, or `none`."""

    @property
    def predictions(self) -> Path:
        """The table of predictions."""
        return self.path / self.PREDICTIONS
