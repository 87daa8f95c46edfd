"""Predicting the classes of images that are in no dataset, prepared as ingest prepares those that are."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graft.components.common import storage
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.model_source import open_model
from graft.components.common.compute.decoding import decode
from graft.components.common.compute.keras_models import NETWORK, PREPROCESSING, load_model
from graft.components.common.compute.predictions import by_class, is_confident
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.progress import progress
from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.images.limits import BadImageError
from graft.components.ingest.source.file_names import junk_kind, may_be_image
from graft.components.ingest.source.image_files import UnreadableFileError, read_file

_BATCH = 32
_READERS = 8
_MANY = 1500  # to trace the decoding takes 1.6 CPU seconds, and saves one millisecond an image


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model makes of an image.

    Attributes:
        image: The image's path or URI.
        label: The class of the highest probability; empty if the image can't be used.
        probabilities: By class; empty if the image can't be used.
        error: Why it can't be used; empty if it can.
        confident: Whether the model is confident; None if the image can't be used, or the model has no confidence below which it is not.
    """

    image: str
    label: str = ""
    probabilities: dict[str, float] = dataclasses.field(default_factory=dict)
    error: str = ""
    confident: bool | None = None


def find_images(places: Sequence[str]) -> tuple[list[str], list[Prediction]]:
    """Finds images: each file that is named, and in each folder all but those that by their names are no images of the user's.

    Args:
        places: Paths or URIs of files and folders.

    Returns:
        Their paths or URIs; and what doesn't exist or can't be looked into, with the reason.

    Raises:
        GraftError: The storage of one can't be reached.
    """
    found: list[str] = []
    refused: list[Prediction] = []

    def refuse(place: str, error: storage.FileError) -> None:
        refused.append(Prediction(storage.redact(place), error=error.reason))

    for place in map(storage.uri_in, places):
        try:
            if not storage.is_folder(place):
                found.append(place)
            elif local := storage.local_path(place):
                walked = storage.walk(
                    local,
                    is_left_out=lambda folder: junk_kind(folder.name) is not None,
                    refused=lambda folder, error: refuse(str(folder), error),
                )
                paths = sorted(path.relative_to(local).as_posix() for path, is_folder in walked if not is_folder)
                found += [storage.join(place, path) for path in paths if may_be_image(path)]
            else:
                found += sorted(file.uri for file in storage.list(place) if may_be_image(file.path))
        except storage.FileError as error:
            refuse(place, error)
    return found, refused


def predict_images(model: str, images: Sequence[str]) -> Iterator[Prediction]:
    """Yields what a model makes of images, in their order.

    Args:
        model: Path or URI of a Model or an Export.
        images: Paths or URIs of files.

    Raises:
        GraftError: The model can't be used, or the storage of an image can't be reached.
    """
    tf = import_tensorflow()
    with (
        open_model(model) as opened,
        ThreadPoolExecutor(_READERS) as readers,
        progress("predicting", len(images)) as advance,
    ):
        loaded, abstain_below = load_model(opened.folder), Model.load(opened.folder).abstain_below
        preprocessing, network = loaded.get_layer(PREPROCESSING), loaded.get_layer(NETWORK)
        run = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True)
        # Preprocessing is always traced, since Keras resizes otherwise where it runs eagerly.
        prepare = functools.partial(decode, preprocessing=tf.function(preprocessing, reduce_retracing=True))
        if len(images) > _MANY:
            prepare = tf.function(prepare, input_signature=[tf.TensorSpec((), tf.string)])
        for start in range(0, len(images), _BATCH):
            names = images[start : start + _BATCH]
            contents = list(readers.map(_read, names))
            usable = [content for content in contents if isinstance(content, bytes)]
            rows: Iterator[Any] = iter(())
            if usable:
                rows = iter(by_class(run(tf.stack([prepare(content) for content in usable])).numpy()))
            for name, content in zip(names, contents, strict=True):
                if isinstance(content, str):
                    yield Prediction(storage.redact(name), error=content)
                    continue
                row = next(rows)
                probabilities = {label: float(value) for label, value in zip(opened.classes, row, strict=True)}
                confident = None if abstain_below is None else bool(is_confident(row[None], abstain_below)[0])
                label = opened.classes[int(row.argmax())]
                yield Prediction(storage.redact(name), label, probabilities, confident=confident)
            advance(len(names))


def _read(uri: str) -> bytes | str:
    """Returns an image as a dataset would hold it, or why it can't be used."""
    try:
        return check_image(read_file(uri)[0]).encoded
    except (BadImageError, UnreadableFileError) as error:
        return str(error)
