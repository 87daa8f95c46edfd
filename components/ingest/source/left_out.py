"""Folders in a source that are not looked into: what Graft itself wrote there, and what systems keep for themselves."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.decision import Decision
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.model import Model
from graft.components.common.runs.run import RUN_ID
from graft.components.ingest.source.file_names import is_called_image, junk_kind

_ARTIFACTS: tuple[type[Artifact], ...] = (Dataset, Model, Evaluation, Decision, Export)
_BEGINNING = 2**12  # of a record, where it says that a Graft wrote it


class LeftOut:
    """Tells whether a folder is left out. Only folders below a source are asked about, never the source itself.

    Args:
        written: Paths and URIs of what this run writes, such as its output and its store; empty ones count for nothing.

    Attributes:
        own: The folders that were found to be Graft's, for the record: paths or URIs.
    """

    def __init__(self, written: Iterable[str] = ()) -> None:
        local = [(uri, storage.local_path(uri)) for uri in written if uri]
        self._local = {path.resolve() for _, path in local if path}
        with contextlib.suppress(OSError):  # there can be none
            self._local.add(storage.cache_root().resolve())
        self._names = {path.name for path in self._local}
        self._remote = [uri.rstrip("/") for uri, path in local if not path]
        self.own: list[str] = []

    def __call__(self, folder: Path) -> bool:
        """Tells it of a local folder."""
        if junk_kind(folder.name):
            return True
        is_own = self._is_written(folder) or _is_artifact(folder) or _holds_runs(folder)
        self.own += [str(folder)] * is_own
        return is_own

    def within(self, uri: str) -> list[str]:
        """Returns which folders below a remote one are Graft's, as paths in it that end in a slash."""
        root = uri.rstrip("/") + "/"
        found = [folder.removeprefix(root) + "/" for folder in self._remote if folder.startswith(root)]
        self.own += [root + path.rstrip("/") for path in found]
        return found

    def _is_written(self, folder: Path) -> bool:
        return folder.name in self._names and folder.resolve() in self._local


def _is_artifact(folder: Path) -> bool:
    for kind in _ARTIFACTS:
        with contextlib.suppress(OSError), (folder / kind.FILE).open("rb") as file:
            if b'"graft_version"' in file.read(_BEGINNING):
                return True
    return False


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is one of runs, or a store. Images may lie in folders that are called like runs; then they aren't any."""
    try:
        runs = [path for path in (*folder.iterdir(), *folder.glob("models/*/runs/*")) if RUN_ID.fullmatch(path.name)]
        return any(not any(is_called_image(file.name) for file in run.iterdir()) for run in runs)
    except OSError:
        return False  # who lists the folder will say why it can't be
