"""What each step returns to its caller, and leaves in its run record as the outcome."""

import unicodedata
from collections.abc import Collection, Mapping
from enum import StrEnum

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from graft.components.common.artifacts.decision import Rule
from graft.components.common.artifacts.evaluation import Comparisons
from graft.components.common.artifacts.figures import Metrics
from graft.components.common.artifacts.model import Stopped
from graft.components.common.artifacts.record import Part, Sparse
from graft.components.common.steps import LastStep

UNCHANGED = "unchanged"
"""What resolve returns in place of a digest where there is nothing new to train on."""

_SHOWN_CLASSES, _SHOWN_LETTERS = 10, 60


def one_line(label: str) -> str:
    """Returns a class's name as a message shows it: on one line, not of any length, and with what can't be seen."""
    short = label if len(label) <= _SHOWN_LETTERS else label[:_SHOWN_LETTERS] + "…"
    if not unicodedata.is_normalized("NFC", short):
        return ascii(short)
    return short if short.isprintable() and short == short.strip() else repr(short)


def listed(classes: Collection[str]) -> str:
    """Names classes as a message shows them: the first ones, on one line."""
    shown = ", ".join(one_line(label) for label in list(classes)[:_SHOWN_CLASSES])
    return shown + (f" and {len(classes) - _SHOWN_CLASSES:,} more" if len(classes) > _SHOWN_CLASSES else "")


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    UNCHANGED = "unchanged"
    GATE_FAILED = "gate failed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def good(self) -> bool:
        """Whether nobody has to look."""
        return self in (Outcome.SUCCEEDED, Outcome.UNCHANGED)


class Result(Part):
    """What a step returns."""

    @property
    def summary(self) -> str:
        """One line for people."""
        return "done"


class ResolveResult(Result):
    """What resolve found."""

    digest: str = Field(description="Digest of what the run is about; `unchanged` if that is decided already.")
    source: str = Field(description="The source, without secrets.")
    found: str = Field("", description="The digest, also if it is unchanged; empty if an older Graft did not note it.")
    same_as: str = Field("", description="The last decided run, if it was about the same.")
    last_steps: tuple[LastStep, ...] = Field(
        (), exclude_if=lambda steps: not steps, description="The steps that this run has after export."
    )

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.digest == UNCHANGED:
            return f"nothing new since run {self.same_as}, which decided about the same images, settings and code"
        again = f"; the same as run {self.same_as}, and forced" if self.same_as else ""
        return f"source and weights can be read; digest {self.digest[:12]}{again}"


class IngestResult(Result):
    """What ingest made."""

    path: str = Field(description="The Dataset's directory.")
    digest: str = Field(description="Its content digest.")
    counts: Mapping[str, Mapping[str, int]] = Field(description="Images by split and class.")
    excluded: int = Field(description="Files that were left out.")
    corrected: int = Field(
        0, exclude_if=lambda images: not images, description="Images that were relabelled or removed by corrections."
    )
    checked: int = Field(description="Images that were read, decoded and checked.")
    reused: int = Field(description="Images that were not, an earlier dataset having the same ones.")
    bytes_read: int | None = Field(None, description="Bytes of images that were read; None in old records.")
    bytes_written: int | None = Field(None, description="Bytes of shards that were written; None in old records.")

    @property
    def images(self) -> int:
        """Images of all splits."""
        return sum(sum(classes.values()) for classes in self.counts.values())

    @property
    def summary(self) -> str:
        """One line for people."""
        splits = ", ".join(f"{sum(classes.values()):,} {split}" for split, classes in self.counts.items())
        classes = listed(next(iter(self.counts.values())))
        excluded = f"; {self.excluded:,} files excluded" if self.excluded else ""
        corrected = f"; {self.corrected:,} corrected" if self.corrected else ""
        reused = f"; {self.checked:,} of them new" if self.reused else ""
        return f"{splits} images of {classes}{excluded}{corrected}{reused}"


class TrainResult(Result):
    """What train made."""

    path: str = Field(description="The Model's directory.")
    selection_accuracy: float = Field(description="Accuracy of the kept weights on the images that selected them.")
    selection_split: str = Field(description="The split that they are of.")
    epochs: int = Field(description="Epochs trained.")
    stopped: Stopped = Field(description="Why training ended.")
    computed: int | None = Field(None, description="Images that went through the backbone; None in old records.")
    bytes_read: int | None = Field(None, description="Bytes of shards and features read; None in old records.")
    bytes_written: int | None = Field(None, description="Bytes of features written; None in old records.")
    most_epochs: SkipJsonSchema[int] = Field(0, exclude=True, description="Epochs allowed; in no record.")

    @property
    def summary(self) -> str:
        """One line for people."""
        which = "held-out training images" if self.selection_split == "train" else "the validation images"
        early = "" if self.stopped is Stopped.ALL_EPOCHS else f" ({self.stopped})"
        of = f" of {self.most_epochs}" if self.most_epochs else ""
        return f"{self.epochs}{of} epochs{early}, accuracy {self.selection_accuracy:.4f} on {which}"


class EvaluateResult(Result):
    """What evaluate found."""

    path: str = Field(description="The Evaluation's directory.")
    split: str = Field(description="The split that the model was judged on.")
    images: int = Field(description="Images of that split.")
    metrics: Metrics = Field(description="The figures.")
    comparisons: Comparisons = Field(description="The same images by champion and anchor.")
    selected_on_split: bool = Field(description="Whether these images had a part in choosing the model.")
    classes: tuple[str, ...] = Field(description="The class names in label order.")
    drift: tuple[str, ...] = Field((), description="In what images differ that are new since the champion.")
    suspected_labels: int = Field(
        0, exclude_if=lambda images: not images, description="Images of all splits whose labels are probably wrong."
    )
    baselines_computed: Sparse[int] = Field(
        None, description="Images that went through champion or anchor; None in old records."
    )
    baselines_kept: Sparse[int] = Field(
        None, description="Images whose predictions by champion or anchor were in the store; None in old records."
    )
    bytes_read: Sparse[int] = Field(
        None, description="Bytes of shards, predictions and features read; None in old records."
    )
    bytes_written: Sparse[int] = Field(
        None, description="Bytes of predictions and features written; None in old records."
    )

    @property
    def summary(self) -> str:
        """One line for people."""
        low, high = self.metrics.accuracy_interval
        auc = "unknown" if self.metrics.auc is None else f"{self.metrics.auc:.4f}"
        champion = self.comparisons.champion
        against = f"; {champion.versus('champion')}" if champion else ""
        drift = f"; new images differ in {', '.join(self.drift)}" if self.drift else ""
        labels = f"; labels that are probably wrong: {self.suspected_labels:,}" if self.suspected_labels else ""
        return (
            f"accuracy {self.metrics.accuracy:.4f} (95% interval {low:.3f} to {high:.3f}), "
            f"AUC {auc} on {self.images:,} {self.split} images{against}{drift}{labels}"
        )


class GateResult(Result):
    """What the gate decided."""

    path: str = Field(description="The Decision's directory.")
    passed: bool = Field(description="Whether every rule passed.")
    rules: tuple[Rule, ...] = Field(description="Every rule that was switched on.")

    @property
    def summary(self) -> str:
        """One line for people: the rules that failed, or all of them."""
        shown = [rule for rule in self.rules if not rule.passed] or self.rules
        return f"{'passed' if self.passed else 'failed'}: " + "; ".join(rule.sentence for rule in shown)


class Published(Part):
    """Where an Export was published."""

    uri: str = Field("", description="Path or URI of the version; empty where there is no store.")
    promoted: bool = Field(False, description="Whether it is the latest version.")
    reason: str = Field("", description="Why it is not; empty if it is, or nothing was published.")


class ExportResult(Result):
    """What export made."""

    path: str = Field(description="The Export's directory.")
    version: str = Field(description="Its name: the digest of its checksums.")
    formats: tuple[str, ...] = Field(description="The formats it holds, by path.")
    max_difference: float = Field(description="Largest difference of a probability, without further formats.")
    published: Published = Field(description="Where it was published.")

    @property
    def summary(self) -> str:
        """One line for people."""
        made = f"{', '.join(self.formats)}, within {self.max_difference:.1g} of what was evaluated; version {self.version[:12]}"
        if not self.published.uri:
            return made
        latest = "now the latest" if self.published.promoted else f"not promoted: {self.published.reason}"
        return f"{made}, published, {latest}"


class NotifyResult(Result):
    """What notify says."""

    run: str = Field(description="Identifier of the run.")
    name: str = Field(description="The model's name.")
    outcome: Outcome = Field(description="How the run ended.")
    reason: str = Field(description="Why.")
    accuracy: float | None = Field(description="Accuracy on the evaluated split; None if the run did not get there.")
    link: str = Field(description="Address of the run's page; empty if unknown.")
    drift: tuple[str, ...] = Field((), description="In what images differ that are new since the champion.")
    delivered: bool | None = Field(None, description="Whether a webhook took the message; None if none was sent.")

    @property
    def summary(self) -> str:
        """The message."""
        parts = [f"{self.name}: {self.outcome}"]
        if self.accuracy is not None:
            parts.append(f"accuracy {self.accuracy:.4f}")
        if self.drift:
            parts.append(f"the new images differ in {', '.join(self.drift)}")
        parts += [text for text in (self.reason, self.link or f"run {self.run}") if text]
        return "; ".join(parts)
