"""A server that polls a base path, as TensorFlow Serving does: every 100 ms it loads the version of the highest number."""

import re
import shutil
import tempfile
import threading
from pathlib import Path

from tiny_exports import seed_in

from graft.components.common import storage

_PAUSE = 0.1


class Poller(threading.Thread):
    """Loads what a base path has, and notes what must not be.

    Which number is taken, and that one without a `saved_model.pb` is not there yet for it, is
    tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc and the error that its loader gets.

    Attributes:
        forbidden: The seeds that must not be loaded by a look that begins now.
        loaded: The seeds that were loaded one after the other, each once until the next.
        problems: What went wrong.
    """

    def __init__(self, base, published):
        super().__init__()
        self._base, self._published, self._told, self._news = base, published, threading.Event(), threading.Condition()
        self.forbidden, self.loaded, self.problems = frozenset(), [], []

    def run(self):
        while not self._told.wait(_PAUSE):
            try:
                self._poll()
            except Exception as error:  # a thread of a test would only print it
                self.problems.append(repr(error))
                raise

    def wait_for(self, seed):
        """Waits until it has loaded a version."""
        with self._news:
            done = self._news.wait_for(lambda: self.problems or (self.loaded and self.loaded[-1] == seed), 60)
        assert done and not self.problems, (self.problems, self.loaded, seed)

    def end(self):
        self._told.set()
        self.join()

    def _poll(self):
        forbidden = self.forbidden
        found = self._load_local() if storage.local_path(self._base) else self._load_remote()
        if found is None:
            return
        number, seed = found
        history = {entry.about.version for entry in self._published.registry.latest().history}
        if seed in forbidden or self._published.versions.get(seed) not in history:
            self.problems.append(f"number {number}, seed {seed}, must not be loaded")
        with self._news:
            if self.loaded[-1:] != [seed]:
                self.loaded.append(seed)
            self._news.notify_all()

    def _load_local(self):
        base = Path(self._base)
        names = [path.name for path in base.iterdir()] if base.exists() else []
        if not (numbers := numbers_in(names)):
            return None
        folder = base / str(max(numbers))
        try:
            return max(numbers), seed_in(folder)
        except Exception as error:
            if folder.exists():
                self.problems.append(f"{folder} is half: {error}")
            return None

    def _load_remote(self):
        files = {file.path: file.uri for file in storage.list(self._base)}
        if not (numbers := numbers_in({path.partition("/")[0] for path in files if "/" in path})):
            return None
        number, scratch = max(numbers), Path(tempfile.mkdtemp())
        marker = f"{number}/saved_model.pb"
        try:
            if marker not in files:
                return None
            for path, uri in files.items():
                if path.startswith(f"{number}/"):
                    (scratch / path).parent.mkdir(parents=True, exist_ok=True)
                    (scratch / path).write_bytes(storage.read(uri))
            return number, seed_in(scratch / str(number))
        except Exception as error:
            if storage.exists(f"{self._base}/{marker}"):
                self.problems.append(f"{self._base}/{number} is half: {error}")
            return None
        finally:
            shutil.rmtree(scratch)


def numbers_in(names):
    """Returns the numbers among the names in a base path."""
    return [int(name) for name in names if re.fullmatch("[0-9]+", name)]
