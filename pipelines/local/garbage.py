"""What a store holds that nothing refers to any more: images, features, predictions, checkpoints and leftovers of killed runs."""

import contextlib
import dataclasses
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS, fetch_checked, read_sums
from graft.components.common.artifacts.dataset import INDEX, LEFT_OUT, WHOLE_LISTS, Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.lists.source_listing import LISTING
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.shards.in_use import (
    ANNOUNCEMENT,
    CONDEMNED,
    COUNTS_SECONDS,
    IN_USE,
    announced,
    announcements,
)
from graft.components.common.errors import DamagedRecordError, GraftError
from graft.pipelines.local.parts_garbage import parts_reason, shards_of_rows

_DAY = 24 * 60 * 60
_MOST_HOURS = 1  # so far this machine's clock may be ahead of the store's
# Paths within a store, as the steps write them.
_RUN_DATASET = re.compile(rf"models/([^/]+)/runs/([^/]+)/{re.escape(Dataset.FILE)}")
_VERSION_DATASET = re.compile(rf"models/[^/]+/versions/[^/]+/{Export.LINEAGE}/{re.escape(Dataset.FILE)}")
_LISTING = re.compile(rf"models/[^/]+/runs/[^/]+/{re.escape(LISTING)}")
_SHARD = re.compile(r"shards/[^/]+\.tfrecord")
_VERSION = re.compile(rf"(models/[^/]+/versions/[^/]+)/{SUMS}")
_PACK = re.compile(r"(features|predictions)/[^/]+/[^/]+\.arrow")
_CHECKPOINT = re.compile(r"checkpoints/[^/]+/[^/]+\.npz")
_FOLDERS = ("checkpoints", "features", "models", "predictions", "shards")
_LEFTOVER = re.compile(rf"({'|'.join(_FOLDERS)})/(.*/)?\.[^/]+\.part|\.probe-[0-9a-f]+")


@dataclasses.dataclass(frozen=True)
class Garbage:
    """A file that can go.

    Attributes:
        path: Its path within the store.
        bytes: Its size in bytes.
        reason: Why it can go.
    """

    path: str
    bytes: int
    reason: str


class Store:
    """A store, as it was when it was listed.

    Args:
        uri: Its path or URI.

    Raises:
        GraftError: It can't be read, or is no store.
    """

    def __init__(self, uri: str) -> None:
        self._uri = storage.absolute(uri)
        self._shards = f"{self._uri}/shards"
        storage.stat(self._uri)
        self.files = {file.path: file for file in storage.list(self._uri)}
        if not any(path.startswith(f"{folder}/") for path in self.files for folder in _FOLDERS):
            raise GraftError(f"{storage.redact(uri)} is no store: it has no folder {', '.join(_FOLDERS)}.")

    def garbage(self, keep_runs: int, min_age_days: float, datasets: Sequence[str]) -> list[Garbage]:
        """Finds what no version, no dataset in use and no recent run refers to.

        Args:
            keep_runs: How many runs of each name are recent.
            min_age_days: What is younger stays, since a run that is under way may need it.
            datasets: Paths or URIs of further Datasets that are in use.

        Raises:
            GraftError: A dataset that counts is damaged: nothing is known then of what it needs.
        """
        youngest = time.time() - min_age_days * _DAY
        recent, old = self._runs(keep_runs, youngest)
        versions = [path for path in self.files if _VERSION_DATASET.fullmatch(path)]
        used = [f"{self._uri}/{path.rpartition('/')[0]}" for path in (*recent, *versions)]
        shards, images = _needs([*used, *datasets])
        shards |= announcements(self._shards, IN_USE)
        shards |= shards_of_rows(file for file in self.files.values() if file.written_at > youngest)
        models = self._models()
        return [
            Garbage(path, file.size or 0, reason)
            for path, file in sorted(self.files.items())
            if file.written_at <= youngest and (reason := self._reason(path, shards, images, models, old))
        ]

    @contextlib.contextmanager
    def condemn(self, garbage: Sequence[Garbage]) -> Iterator[None]:
        """Announces which shards are to be deleted, for as long as the context lasts.

        Steps don't begin to rely on them. Those that do already are known to a store that is listed in the context, and only then.

        Raises:
            GraftError: The store can't be written, or this machine's clock is ahead of the store's: what is young looks old then.
        """
        names = [found.path.rpartition("/")[2] for found in garbage if _SHARD.fullmatch(found.path)]
        if not garbage:
            yield
            return
        with announced(self._shards, CONDEMNED, names) as uri:
            hours = (time.time() - storage.stat(uri).written_at) / 3600
            if hours > _MOST_HOURS:
                raise GraftError(
                    f"This machine's clock is {hours:,.0f} hours ahead of {storage.redact(self._uri)}'s: set it by NTP; "
                    "nothing was deleted."
                )
            yield

    def remove(self, garbage: Garbage) -> None:
        """Removes a file, unless it is gone already, or was written anew since the store was listed.

        Raises:
            GraftError: The store can't be written.
        """
        listed = self.files[garbage.path]
        with contextlib.suppress(storage.MissingError):
            if storage.stat(listed.uri).written_at == listed.written_at:
                storage.delete(listed.uri)

    def _runs(self, keep: int, youngest: float) -> tuple[list[str], set[str]]:
        """Returns the dataset records of recent runs, the last of a name and all young ones, and the folders of older ones."""
        by_name: dict[str, list[str]] = defaultdict(list)
        for path in self.files:
            if match := _RUN_DATASET.fullmatch(path):
                by_name[match[1]].append(path)
        recent: list[str] = []
        old: set[str] = set()
        for paths in by_name.values():
            paths.sort(key=lambda path: self.files[path].written_at, reverse=True)
            kept = max(keep, sum(self.files[path].written_at > youngest for path in paths))
            recent += paths[:kept]
            old |= {path.rpartition("/")[0] for path in paths[kept:]}
        return recent, old

    def _models(self) -> set[str]:
        """Returns the digests of the models that are versions, where there are predictions.

        Raises:
            GraftError: A version is damaged.
        """
        if not any(path.startswith("predictions/") for path in self.files):
            return set()
        versions = [match[1] for path in self.files if (match := _VERSION.fullmatch(path))]
        return {read_sums(f"{self._uri}/{version}").get(Model.KERAS, "") for version in versions}

    def _reason(self, path: str, shards: set[str], images: set[str], models: set[str], old_runs: set[str]) -> str:
        folder, _, name = path.rpartition("/")
        if folder in old_runs and name in (Dataset.FILE, INDEX, LEFT_OUT, WHOLE_LISTS, Evaluation.LABELS):
            return "the dataset of an old run, or the list of its labels"
        if _SHARD.fullmatch(path) and name not in shards:
            return "images of no dataset in use"
        if _CHECKPOINT.fullmatch(path):
            return "checkpoint of a training that was never resumed"
        if _LEFTOVER.fullmatch(path) or _LISTING.fullmatch(path):
            return "left over from a killed run"
        if ANNOUNCEMENT.fullmatch(path) and self.files[path].written_at <= time.time() - COUNTS_SECONDS:
            return "left over from a killed run"
        if match := _PACK.fullmatch(path):
            model, names = self._look_into(path)
            if images.isdisjoint(names):
                return f"{match[1]} of no image in use"
            if match[1] == "predictions" and model not in models:
                return "predictions of a model that is no version"
        return parts_reason(path, self.files, old_runs)

    def _look_into(self, pack: str) -> tuple[str, list[str]]:
        """Returns the digest of the model whose predictions a pack holds, and those of the images, without reading the rows."""
        from graft.components.common.compute.pack_file import UNREADABLE, kind_and_names

        # One that a step has just joined with others is gone, and one that can't be read nobody can use.
        with contextlib.suppress(storage.MissingError), storage.open(self.files[pack].uri) as file:
            try:
                kind, names = kind_and_names(file)
            except UNREADABLE:
                return "", []
            return str(kind.get("model", "")), names
        return "", []


def _needs(datasets: Sequence[str]) -> tuple[set[str], set[str]]:
    """Returns the names of the shards, and the digests of the images, of some datasets."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards: set[str] = set()
    images: set[str] = set()
    for dataset in datasets:
        with storage.scratch_folder("gc") as scratch:
            try:
                record, index = _fetch(dataset.rstrip("/"), scratch)
                shards |= {
                    shard.name for shard in Dataset.parse(record.read_bytes(), f"{dataset}/{Dataset.FILE}").shards
                }
                images |= set(pq.read_table(index, columns=["sha256"])["sha256"].to_pylist())
            except (DamagedRecordError, KeyError, pa.ArrowException) as error:
                raise GraftError(
                    f"{storage.redact(dataset)} is damaged ({type(error).__name__}), so that nobody knows what it needs: "
                    "mend or remove it; nothing was deleted from the store."
                ) from error
    return shards, images


def _fetch(dataset: str, scratch: Path) -> list[Path]:
    """Makes a dataset's record and index readable; those in an Export are checked against its checksums."""
    export, _, folder = dataset.rpartition("/")
    names = (Dataset.FILE, INDEX)
    if folder == Export.LINEAGE and storage.exists(f"{export}/{SUMS}"):
        sums = read_sums(export)
        return [fetch_checked(export, f"{folder}/{name}", sums, scratch, keep=False) for name in names]
    return [storage.fetch(f"{dataset}/{name}", scratch, keep=False) for name in names]
