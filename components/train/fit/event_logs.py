"""TensorBoard logs: beside the model, and copied to where they are watched."""

import shutil
import time
from pathlib import Path
from typing import Self

from graft.components.common import storage
from graft.components.common.compute.tensorflow import import_tensorflow

_SECONDS = 30.0


class EventLogs:
    """Loss and accuracy by epoch, in TensorBoard's format, one folder for training and one for the selection images.

    Args:
        folder: Local folder of the logs.
        copy: Folder or URI to which they are copied as they grow, each training's in a folder of its own; empty for none.
    """

    def __init__(self, folder: Path, copy: str) -> None:
        tf = import_tensorflow()
        self._folder = folder
        self._copy = f"{copy.rstrip('/')}/{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime())}" if copy else ""
        self._epoch, self._since = 0, time.monotonic()
        self._writers = {
            "": tf.summary.create_file_writer(str(folder / "train")),
            "selection_": tf.summary.create_file_writer(str(folder / "selection")),
        }

    def append(self, entry: dict[str, float]) -> None:
        """Adds an epoch's figures; those on the selection images carry the prefix `selection_`.

        Raises:
            GraftError: The copy can't be written.
        """
        tf = import_tensorflow()
        self._epoch += 1
        for prefix, writer in self._writers.items():
            with writer.as_default(step=self._epoch):
                for name in ("loss", "accuracy"):
                    tf.summary.scalar(f"epoch_{name}", entry[prefix + name])
        if self._copy and time.monotonic() - self._since >= _SECONDS:
            self._send()

    def __enter__(self) -> Self:
        """Copies what there is, nothing yet, so that a place that can't be written is known at once.

        Raises:
            GraftError: The copy can't be written.
        """
        if self._copy:
            self._send()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """Closes the logs; where all went well, what is left is copied."""
        if self._copy and kind is None:
            self._send()
        for writer in self._writers.values():
            writer.close()

    def _send(self) -> None:
        for writer in self._writers.values():
            writer.flush()
        local = storage.local_path(self._copy)
        for file in self._folder.rglob("events.*"):
            path = file.relative_to(self._folder)
            if local is None:
                storage.write(f"{self._copy}/{path.as_posix()}", file.read_bytes())
                continue
            with storage.access(
                self._copy, "write"
            ):  # not replaced: TensorBoard reads on in the file that it has opened
                (local / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, local / path)
        self._since = time.monotonic()
