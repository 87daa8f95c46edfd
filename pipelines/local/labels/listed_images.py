"""The newest list of a model's labels that are probably wrong, and its pictures."""

import dataclasses
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.dataset import INDEX, Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.lists.labels_list import ListedLabel, check_words, read_labels
from graft.components.common.artifacts.shards.tfrecord import image_at
from graft.components.common.errors import GraftError
from graft.components.common.registry.versions import models_in
from graft.components.common.runs.run import check_name


@dataclasses.dataclass(frozen=True)
class ListedImages:
    """A list, and where its pictures are.

    Attributes:
        where: Path or URI of the list, without secrets.
        classes: The classes that a label may be.
        entries: The list's images, each once.
        places: By digest, the URI of the shard that has the image, and where its record begins there, in bytes.
    """

    where: str
    classes: tuple[str, ...]
    entries: tuple[ListedLabel, ...]
    places: dict[str, tuple[str, int]]

    def picture(self, entry: ListedLabel) -> bytes:
        """Returns an image as it is encoded, JPEG or PNG.

        Raises:
            GraftError: It is not there, or is damaged.
        """
        if entry.sha256 not in self.places:
            raise GraftError(f"{entry.path!r} is not in the dataset of {self.where}: evaluate again.")
        shard, offset = self.places[entry.sha256]
        with storage.open(shard) as file:
            try:
                return image_at(file, offset)
            except ValueError as error:
                raise GraftError(f"{storage.redact(shard)} is damaged ({error}): ingest again.") from error


def find_listed(store: str, name: str) -> ListedImages:
    """Finds the newest list of a model: of its last evaluated run, whether it passed the gate or not, or of a version.

    Args:
        store: Path or URI of the store.
        name: The model's name.

    Raises:
        GraftError: There is none, it or its dataset can't be read, or a class is called `keep` or `remove`.
    """
    folder = _newest(store, name)
    uri = f"{folder}/{Evaluation.LABELS}"
    where = storage.redact(uri)
    with storage.open(uri) as listed:
        rows = {entry.sha256 or entry.path: entry for entry in read_labels(listed, where)}
    record = f"{folder}/{Dataset.FILE}"
    dataset = Dataset.parse(storage.read(record), storage.redact(record))
    check_words(dataset.classes, where)
    with storage.scratch_folder("labels") as scratch:
        index = storage.fetch(f"{folder}/{INDEX}", scratch, keep=False)
        return ListedImages(where, dataset.classes, tuple(rows.values()), _places(dataset, index, set(rows)))


def _newest(store: str, name: str) -> str:
    """Returns the folder of the newest list of a model, which has its dataset's record and index as well."""
    check_name("name", name)
    files = storage.list(f"{store.rstrip('/')}/models/{name}")
    lists = [file for file in files if file.name == Evaluation.LABELS]
    if not lists:
        raise GraftError(
            f"No evaluation of {name!r} in {storage.redact(store)} has left a {Evaluation.LABELS}: run the pipeline with this store. "
            f"{models_in(store)}"
        )
    return max(lists, key=lambda file: (file.written_at, file.path)).uri.rpartition("/")[0]


def _places(dataset: Dataset, index: Path, wanted: set[str]) -> dict[str, tuple[str, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    shards = {shard.name: shard.uri for shard in dataset.shards}
    try:
        table = pq.read_table(index, columns=["sha256", "shard", "offset"])
        rows = table.filter(pc.is_in(table["sha256"], pa.array(sorted(wanted), pa.string()))).to_pylist()
        return {row["sha256"]: (shards[row["shard"]], row["offset"]) for row in rows}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise GraftError(
            f"The index of the listed images is damaged ({type(error).__name__}): ingest again."
        ) from error
