"""What is known of a source's images before they are read: from an earlier Dataset, from parts, from an ingest that was killed."""

import contextlib
from collections.abc import Sequence

from graft.components.common.artifacts.dataset import Shard
from graft.components.common.runs.run import Run
from graft.components.ingest.dataset.collected_rows import IndexRow
from graft.components.ingest.dataset.previous_dataset import PreviousDataset
from graft.components.ingest.images.decoding_pool import Undecodable
from graft.components.ingest.kept.kept_rows import KeptRows


class KnownImages:
    """What is known of images.

    Args:
        previous: Path or URI of an earlier Dataset; empty for none.
        run: The run, whose store may keep rows.
        held: Ends when this run's Dataset is in the store; till then `graft gc` is told that the shards are in use.

    Attributes:
        earlier: The earlier Dataset; None for none.
        kept: The rows that the store keeps; None for none.

    Raises:
        GraftError: The earlier Dataset is none or is damaged, or the store can't be used.
    """

    def __init__(self, previous: str, run: Run, held: contextlib.ExitStack) -> None:
        self.earlier = PreviousDataset(previous, run.store, held) if previous else None
        self._shards = self.earlier.shards if self.earlier else []
        kept = KeptRows(run, self._shards, held) if run.store else None
        self.kept = kept if kept and len(kept) else None

    @property
    def shards(self) -> list[Shard]:
        """The shards that rows are in, by number: those of the earlier Dataset come first."""
        return [*self._shards, *(self.kept.shards if self.kept else [])]

    def new(self, shards: Sequence[Shard]) -> list[Shard]:
        """Returns those of some shards that are none of the earlier Dataset's."""
        return [shard for shard in shards if shard not in self._shards]

    def forget(self, shards: Sequence[Shard]) -> None:
        """Removes the kept rows of a Dataset's shards, once it is in the store."""
        if self.kept:
            self.kept.forget(shards)

    def is_new(self, row: IndexRow) -> bool:
        """Whether an image was checked for a Dataset that is still to be made, and is in no earlier one."""
        return row.shard >= len(self._shards)

    def unchanged(self, path: str, version: str) -> tuple[IndexRow | Undecodable, int] | None:
        """Returns what is known of a file that is as it was, without its having been read; None if it has to be.

        Args:
            path: The file's path in the source.
            version: What changes when the file does; empty if nothing is known to.

        Returns:
            The row of the image, or why it can't be used; and how many bytes of it were read for the Dataset that is being made.
        """
        if self.earlier and (row := self.earlier.unchanged(path, version)):
            return row, 0
        if self.earlier and (reason := self.earlier.unusable(path, version)):
            return Undecodable(reason, None), 0
        if not self.kept or not (kept := self.kept.find(path, version)):
            return None
        found, size = kept
        if not isinstance(found, str):
            return found, size
        same = self.same_content(path, found)
        return (same, size) if same else None

    def same_content(self, path: str, sha256: str) -> IndexRow | None:
        """Returns the row of an image with the same bytes, one of the earlier Dataset first; None if there is none."""
        row = self.earlier.same_content(path, sha256) if self.earlier else None
        return row or (self.kept.same_content(path, sha256) if self.kept else None)
