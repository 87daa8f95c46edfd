"""The Dataset that an earlier run made of the same source: what it knows is not worked out again, and its splits bind."""

import contextlib
import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.dataset import (
    INDEX,
    LABEL_KEPT,
    LEFT_OUT,
    MINIATURE,
    WHOLE_LISTS,
    Dataset,
    LeftOutTwin,
    Shard,
)
from graft.components.common.artifacts.lists.whole_lists import read_list, table_of
from graft.components.common.artifacts.shards.in_use import CONDEMNED, IN_USE, announced, announcements
from graft.components.common.errors import DamagedRecordError, GraftError
from graft.components.common.runs.run import Run
from graft.components.ingest.dataset.collected_rows import COLUMNS, IndexRow
from graft.components.ingest.dataset.row_lookup import ImageRows, Rows
from graft.components.ingest.dataset.shards import shards_folder

log = logging.getLogger("graft")

_FOOTER = 2**16


class PreviousDataset:
    """An earlier Dataset.

    Args:
        uri: Path or URI of its folder.
        store: Path or URI of the store that this run keeps its shards in; empty for none.
        held: Ends when this run's Dataset is in the store; till then `graft gc` is told that the shards are in use.

    Attributes:
        shards: Its shards that lie in that store, to be used again.

    Raises:
        GraftError: It is no finished Dataset, or is damaged.
    """

    def __init__(self, uri: str, store: str, held: contextlib.ExitStack) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        folder = uri.rstrip("/")
        dataset = _read_record(folder)
        is_cut = "excluded" in dataset.totals
        with storage.scratch_folder("previous") as scratch:
            files = [storage.fetch(f"{folder}/{name}", scratch, keep=False) for name in _tables(dataset)]
            try:
                # The index of an older Graft has no miniatures: its images are checked again, and its decisions stand.
                has_all = MINIATURE in pq.read_schema(files[0]).names
                names = [name for name in COLUMNS if name != LABEL_KEPT and (has_all or name != MINIATURE)]
                index, left_out = (pq.read_table(file, columns=names, pre_buffer=False) for file in files[:2])
                table = pa.concat_tables([index, left_out])
                excluded = read_list(files[2], "excluded") if is_cut else table_of("excluded", dataset.excluded)
                twins = excluded.filter(pc.is_valid(excluded["twin"]))
                if excluded["path"].null_count or any(twins[name].null_count for name in LeftOutTwin.model_fields):
                    raise KeyError("excluded")
            except (pa.ArrowException, OSError, KeyError) as error:
                raise GraftError(
                    f"The index of the earlier dataset {storage.redact(uri)} is damaged, or an older Graft's ({error!r}): "
                    f"remove its {Dataset.FILE}, or ingest without it."
                ) from error
        self._images = len(index)
        self._splits = index["split"]
        self._twins = Rows(twins, "sha256")
        # What another version of Graft has checked is checked again.
        trusted = store and has_all and dataset.graft_version == version("graft")
        self._unusable = Rows(
            excluded.filter(pc.not_equal(excluded["version"], "")) if trusted else excluded[:0], "path"
        )
        self.shards = shards_in_use(dataset.shards, store, held) if trusted else []
        self._rows = ImageRows(table, {shard.name: number for number, shard in enumerate(self.shards)})

    def unchanged(self, path: str, version: str) -> IndexRow | None:
        """Returns the row of a file that is as it was, without its having been read; None if it has to be.

        Args:
            path: The file's path in the source.
            version: What changes when the file does; empty if nothing is known to.
        """
        row = self._rows.unchanged(path, version)
        return IndexRow(**row) if row else None

    def unusable(self, path: str, version: str) -> str | None:
        """Returns why a file that is as it was is no usable image, without its having been read; None if it has to be."""
        entry = self._unusable.find(path)
        return str(entry["reason"]) if entry and entry["version"] == version else None

    def same_content(self, path: str, sha256: str) -> IndexRow | None:
        """Returns the row of an image with the same bytes, the one of the same path first, if its shard can be used again."""
        row = self._rows.same_content(path, sha256)
        return IndexRow(**row) if row else None

    def split(self, sha256: str) -> str | None:
        """Returns the split that an image with this digest was in; None for one that is new or was left out."""
        # Of images with the same bytes the first is found, one in a split if there is one.
        number = self._rows.by_content.find(sha256)
        return None if number is None or number >= self._images else str(self._splits[number].as_py())

    def left_out(self, sha256: str) -> LeftOutTwin | None:
        """Returns why an image with this digest was left out for being another one's twin; None if it was not."""
        entry = self._twins.find(sha256)
        return LeftOutTwin(**{name: entry[name] for name in LeftOutTwin.model_fields}) if entry else None


def _read_record(folder: str) -> Dataset:
    return Dataset.parse(storage.read(f"{folder}/{Dataset.FILE}"), f"{storage.redact(folder)}/{Dataset.FILE}")


def _tables(dataset: Dataset) -> list[str]:
    """Returns the names of the Parquet files that an earlier dataset is read from."""
    return [INDEX, LEFT_OUT, *([WHOLE_LISTS] if "excluded" in dataset.totals else [])]


def _check_parquet(uri: str) -> None:
    """Checks that a file has the beginning and the end of a Parquet file.

    Raises:
        DamagedRecordError: It hasn't.
        GraftError: It can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with storage.open(uri, _FOOTER) as file:
        try:
            pq.read_metadata(file)
        except pa.ArrowException as error:
            raise DamagedRecordError(f"{storage.redact(uri)} is damaged ({error}): remove it.") from error


def shards_in_use(shards: Sequence[Shard], store: str, held: contextlib.ExitStack) -> list[Shard]:
    """Returns those of some shards that are in a store and stay there.

    Args:
        shards: The shards.
        store: Path or URI of the store.
        held: Ends when they may be deleted.

    Raises:
        GraftError: The store can't be read or written.
    """
    folder = shards_folder(store)
    held.enter_context(announced(folder, IN_USE, [shard.name for shard in shards]))
    gone = announcements(folder, CONDEMNED)
    stored = {f"{folder}/{file.path}": file.size for file in storage.list(folder) if file.path not in gone}
    return [shard for shard in shards if stored.get(shard.uri) == shard.bytes]


def keep_for_next(output: Path, run: Run) -> None:
    """Copies what the next run needs of a Dataset to its run's folder in the store, the record last.

    Raises:
        GraftError: The store can't be written.
    """
    whole = [WHOLE_LISTS] if (output / WHOLE_LISTS).is_file() else []
    for name in (*whole, LEFT_OUT, INDEX, Dataset.FILE):
        storage.put(output / name, f"{run.folder}/{name}")


def latest_dataset(run: Run) -> str:
    """Returns the folder of the newest Dataset of a name that its store knows, of all images: trials with a limit don't bind.

    One whose record or index is damaged is passed over, and the log says so.

    Returns:
        Its path or URI; empty if there is none.

    Raises:
        GraftError: The store can't be read.
    """
    if not run.store:
        return ""
    runs = run.folder.rpartition("/")[0]
    found = [file for file in storage.list(runs) if file.name == Dataset.FILE]
    for file in sorted(found, key=lambda file: (file.written_at, file.path), reverse=True):
        uri = file.uri.rpartition("/")[0]
        try:
            record = _read_record(uri)
            for name in _tables(record):
                _check_parquet(f"{uri}/{name}")
        except (DamagedRecordError, storage.FileError) as error:
            log.warning("the dataset of run %s is passed over: %s", uri.rpartition("/")[2], error)
            continue
        if not record.settings.get("limit"):
            return uri
    return ""
