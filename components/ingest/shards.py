"""Writing a dataset's shards: one open file a split, a new one when it is full."""

import contextlib
from pathlib import Path
from typing import Any

from graft.components.common.dataset import SPLITS
from graft.components.common.tfrecord import ShardWriter, example
from graft.components.ingest.images import CheckedImage


class Shards:
    """Writes images to shards, by split.

    Args:
        folder: Where the shards go.
        full_bytes: Size at which a shard is closed.
        files: Closes the files when the caller is done or fails.
    """

    def __init__(self, folder: Path, full_bytes: int, files: contextlib.ExitStack) -> None:
        self._folder, self._full_bytes, self._files = folder, full_bytes, files
        self._writers: dict[str, list[ShardWriter]] = {}

    def write(self, split: str, label: int, class_name: str, path: str, image: CheckedImage) -> str:
        """Appends an image and returns the name of its shard.

        Args:
            split: The image's split.
            label: Its class index.
            class_name: Its class.
            path: Its path in the source.
            image: The image.
        """
        writers = self._writers.setdefault(split, [])
        if not writers or writers[-1].bytes >= self._full_bytes:
            if writers:
                writers[-1].close()
            name = f"{split}-{len(writers):05}.tfrecord"
            writers.append(self._files.enter_context(ShardWriter(self._folder / name)))
        writers[-1].write(
            example(
                {
                    "image/encoded": image.encoded,
                    "image/class/label": label,
                    "image/class/text": class_name.encode(),
                    "image/filename": path.encode(),
                    "image/height": image.height,
                    "image/width": image.width,
                    "image/key/sha256": image.sha256.encode(),
                }
            )
        )
        return writers[-1].path.name

    def table(self) -> list[dict[str, Any]]:
        """Returns the shards' entries for `dataset.json`, in the order of the index."""
        return [
            {
                "uri": shard.path.name,
                "split": split,
                "images": shard.records,
                "bytes": shard.bytes,
                "sha256": shard.sha256,
            }
            for split in SPLITS
            for shard in self._writers.get(split, [])
        ]
