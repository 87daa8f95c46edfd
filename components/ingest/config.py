"""What a user can set in the ingest step, and what is checked of it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.common import storage
from graft.components.common.config import Sha256
from graft.components.common.errors import GraftError

Fraction = Annotated[float, Field(ge=0, lt=1)]
Leaks = Literal["drop", "keep", "fail"]
SplitBy = Literal["folder", "hash"]
FolderLayout = Literal["auto", "split/class", "class/split", "class"]
MAX_UNPACK_RATIO = 50
"""Of an archive, unless the user says otherwise: what photographs and drawn pictures stay below."""


@dataclass(frozen=True)
class IngestConfig:
    """How images are split, checked and stored.

    Attributes:
        layout: What a source's folders mean, from the outermost one: `split/class`, `class/split` or `class`. `auto` finds out, and
            refuses folders that may mean two things.
        split_by: Who decides the split of an image. `folder`: the source's folders or manifest, and the image's content where
            these name no split. `hash`: always the content. Where content decides, new images never move an old one.
        validation_fraction: Share of the images to put into the validation split, where content decides.
        test_fraction: Share of the images to put into the test split, where content decides.
        leaks: What to do with a training image that has a twin in validation or test: `drop` it from training, `keep` it, or
            `fail`. A twin is the same image, or nearly.
        limit: Most images to take of each class in each split, for a quick try; 0 for all.
        max_bad_fraction: Share of the files that may be no usable images. More than that fail the step.
        shard_mebibytes: Size in MiB at which a shard is full.
        max_unpack_ratio: How many times its own size an archive may unpack to. What unpacks to more than that, and to more than
            16 MiB, is refused like a decompression bomb.
        sha256: SHA-256 that the archive or manifest must have, as 64 hex digits; empty for any.
        corrections: Path or URI of a list of corrected labels (.csv), as `graft labels` writes it. It holds in every run, also where
            images are renamed, uploaded again or in another split; empty for none.
        allow_private_addresses: Whether web addresses that are not named by you, but by a remote manifest or a redirect, may be those
            of this machine, its network or its cloud.
    """

    layout: FolderLayout = "auto"
    split_by: SplitBy = "folder"
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Fraction = 0.0
    leaks: Leaks = "drop"
    limit: Annotated[int, Field(ge=0)] = 0
    max_bad_fraction: Fraction = 0.01
    shard_mebibytes: Annotated[int, Field(gt=0)] = 128
    max_unpack_ratio: Annotated[int, Field(gt=0)] = MAX_UNPACK_RATIO
    sha256: Sha256 = ""
    corrections: str = ""
    allow_private_addresses: bool = False

    @property
    def reach(self) -> storage.Reach:
        """Which addresses may be asked for the source and the corrections, if they are on a web server."""
        return storage.Reach.ANY if self.allow_private_addresses else storage.Reach.NAMED

    def __post_init__(self) -> None:
        """Refuses fractions that leave nothing to train on."""
        if self.validation_fraction + self.test_fraction >= 1:
            raise GraftError(
                f"validation_fraction {self.validation_fraction:g} and test_fraction {self.test_fraction:g} leave nothing to train "
                "on: lower one of them."
            )
