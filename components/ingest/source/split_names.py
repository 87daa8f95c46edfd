"""By which names people call their splits."""

import re

from graft.components.common.artifacts.dataset import TEST, TRAIN, VALIDATION
from graft.components.ingest.source.file_names import class_name

# Alone or with one of the words behind it, and a number: `training_set`, `TestData`, `val2017`.
_SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(
        ("validation", "validate", "valid", "val", "development", "devel", "dev", "evaluation", "eval"), VALIDATION
    ),
    **dict.fromkeys(("test", "testing", "tst"), TEST),
}
_BEHIND = "dataset|data|set|split|images|image|imgs|img|samples|folder"
_KNOWN = re.compile(rf"({'|'.join(_SPLITS)})(?:[ _.-]*(?:{_BEHIND}))*[ _.-]*\d*")
_WORDS = re.compile(r"[^\W\d_]+")

ALSO_CLASSES = ("train", "valid")
"""Names of splits that are good names of classes, too: the vehicle, and the opposite of invalid."""


def split_of(name: str) -> str | None:
    """Returns the split that a folder or a manifest's cell names, whatever its case; None if it names none."""
    known = _KNOWN.fullmatch(class_name(name).lower())
    return _SPLITS[known[1]] if known else None


def split_within(name: str) -> str | None:
    """Returns the split that a name speaks of: that of `split_of`, or of the first of its words that is one, as in `seg_train`."""
    words = (_SPLITS.get(word) for word in _WORDS.findall(name.lower()))
    return split_of(name) or next(filter(None, words), None)
