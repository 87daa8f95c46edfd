"""Writing the images that were checked to shards, and what was found of them to rows that a killed process leaves."""

from collections.abc import Sequence

from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.checking import Checked
from graft.components.ingest.dataset.collected_rows import IndexRow
from graft.components.ingest.dataset.shards import Shards
from graft.components.ingest.dataset.splits import split_by_content
from graft.components.ingest.images.checked_image import CheckedImage
from graft.components.ingest.kept.keeping import RowKeeper
from graft.components.ingest.source.file_names import printable


class ImageWriter:
    """Writes images to shards.

    Args:
        shards: The shards.
        classes: The class names in label order.
        config: The shares of the splits.
        keeper: Takes the rows, too; None for a run without a store.
    """

    def __init__(
        self, shards: Shards, classes: Sequence[str], config: IngestConfig, keeper: RowKeeper | None = None
    ) -> None:
        self._shards, self._config, self._keeper = shards, config, keeper
        self._labels = {name: number for number, name in enumerate(classes)}

    def write(self, done: Checked, image: CheckedImage, label: str) -> IndexRow:
        """Appends an image to a shard and returns its row.

        Args:
            done: What came of its file.
            image: The image.
            label: Its class.
        """
        file, path = done.file, printable(done.file.path)
        split = file.split or split_by_content(image.sha256, self._config)
        place = self._shards.write(split, self._labels[label], label, path, image)
        looks = (image.width, image.height, image.brightness, image.phash, image.miniature, ",".join(image.conversions))
        row = IndexRow(image.sha256, path, split, label, *looks, done.version, *place)
        if self._keeper:
            self._keeper.add(row, done.bytes)
        return row

    def note(self, done: Checked) -> bool:
        """Has it kept that a file is in no new shard, and returns whether there is anything to keep."""
        return self._keeper is not None and self._keeper.add_other(done)
