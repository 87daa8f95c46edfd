"""Whether a dataset can train and judge a model: every split needs usable images of every class."""

from collections.abc import Mapping, Sequence

from graft.components.common.artifacts.dataset import SPLITS, TEST, TRAIN, VALIDATION, LeftOutTwin, Unusable
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.source.layout import Layout

_SHOWN = 3
_KEEP = "; if images only look alike, keep them with --leaks keep"
_REMEDY = (
    "add some, change --validation-fraction or --test-fraction, or, if an earlier dataset binds the splits, ingest without it "
    "or under another --name"
)


def check_classes(
    counts: Mapping[str, Mapping[str, int]],
    layout: Layout,
    config: IngestConfig,
    excluded: Sequence[Unusable | LeftOutTwin],
) -> list[str]:
    """Refuses a dataset without images of some class to train on or, where the source says which split they are in, to judge by.

    Args:
        counts: Images by split and class.
        layout: The source's classes, and the splits that it gives.
        config: The shares of the splits.
        excluded: The files that were left out, for the reasons.

    Returns:
        Warnings of the classes that content, by luck, leaves without an image to judge them by.

    Raises:
        GraftError: A class or a split has no image, and not by luck.
    """
    for name in layout.classes:
        if not any(classes[name] for classes in counts.values()):
            left_out = [entry for entry in excluded if entry.label == name]
            reasons = examples(left_out) or "corrections give all of them other labels"
            raise GraftError(f"Class {name!r} has no usable image: {reasons}. Repair its images, or remove the class.")
    by_source = set(layout.images.kinds)
    remedy = _REMEDY + (_KEEP if any(isinstance(entry, LeftOutTwin) for entry in excluded) else "")
    warnings = []
    for split in _expected_splits(layout, config):
        missing = [name for name in layout.classes if not counts.get(split, {}).get(name)]
        if len(missing) == len(layout.classes):
            raise GraftError(f"No usable image at all is in {split}{examples(excluded, ' ({})')}: {remedy}.")
        unjudged = []
        for name in missing:
            by_luck = split != TRAIN and (None, name) in by_source and (split, name) not in by_source
            if not by_luck or len(missing) > len(layout.classes) - 2:
                own = examples([entry for entry in excluded if entry.label == name], " ({})")
                raise GraftError(f"Class {name!r} has no usable image in {split}{own}: {remedy}.")
            unjudged.append(
                f"Class {name!r} has no image in {split}, so it can't be evaluated there, and a gate's rule on every class fails."
            )
        warnings += first_few(unjudged, f"have no image in {split}")
    return warnings


def _expected_splits(layout: Layout, config: IngestConfig) -> list[str]:
    splits = layout.images.splits
    if None in splits:
        splits |= {VALIDATION} | ({TEST} if config.test_fraction else set())
    return [split for split in SPLITS if split in splits or split == TRAIN]


def examples(excluded: Sequence[Unusable | LeftOutTwin], form: str = "{}") -> str:
    """Returns a few of the files that were left out, with their reasons, put into `form`; nothing if there are none."""
    shown = "; ".join(f"{entry.path!r} {entry.reason}" for entry in excluded[:3])
    return form.format(shown + (" …" if len(excluded) > 3 else "")) if excluded else ""


def first_few(warnings: list[str], are: str) -> list[str]:
    """Returns the first warnings about one class and split each, and one in place of the others.

    Args:
        warnings: All of one kind.
        are: What they say of the classes.
    """
    more = len(warnings) - _SHOWN
    if more < 2:
        return warnings
    return [*warnings[:_SHOWN], f"{more:,} more such warnings: classes {are}. The report has all."]
