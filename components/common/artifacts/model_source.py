"""A saved model wherever it is: a Model or an Export, here or in a bucket, made readable."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.checksums import (
    SUMS,
    check_model_digest,
    fetch_checked,
    read_sums,
    version_named,
)
from graft.components.common.artifacts.dataset import INDEX
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.signing.keys import check_unsigned_allowed
from graft.components.common.errors import GraftError

_EXPORTED_RECORD, _EXPORTED_INDEX = f"{Export.LINEAGE}/{Model.FILE}", f"{Export.LINEAGE}/{INDEX}"


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """A model that can be loaded.

    Attributes:
        uri: Its path or URI, without secrets.
        folder: A local Model of it, for `load_model`.
        digest: Digest of the model.
        classes: Its class names in label order.
        index: The index of the dataset that it was trained on, of an Export that has it.
    """

    uri: str
    folder: Path
    digest: str
    classes: tuple[str, ...]
    index: Path | None = None


def find_record(uri: str) -> str:
    """Returns where in a Model or an Export the training's record is. What has checksums, or is a registry's version, is an Export.

    Raises:
        GraftError: It is neither, or can't be read.
    """
    if "?" in uri and "://" in uri:
        raise GraftError(
            f"{storage.redact(uri)} is named with a query string: name a folder that can be read without one."
        )
    base = uri.rstrip("/")
    if storage.exists(f"{base}/{SUMS}"):
        if storage.exists(f"{base}/{_EXPORTED_RECORD}"):
            return _EXPORTED_RECORD
    elif not version_named(uri) and storage.exists(f"{base}/{Model.FILE}"):
        return Model.FILE
    raise GraftError(
        f"{storage.redact(uri)} is no finished Model or Export: no {Model.FILE} or {SUMS} can be read there."
    )


@contextmanager
def open_model(uri: str, *, with_index: bool = False) -> Iterator[SavedModel]:
    """Makes a model readable: what is remote is downloaded, once, and an Export's files are checked against its sums.

    Args:
        uri: Path or URI of a Model or an Export.
        with_index: Whether the index of its dataset is wanted as well.

    Raises:
        GraftError: It is neither, is unfinished or damaged, or can't be read. Or a key to verify by is configured, and it is not signed
            by that: a Model never is.
    """
    name = storage.redact(uri)
    with storage.scratch_folder("model") as scratch:
        folder, downloads = scratch / "model", scratch / "downloads"
        folder.mkdir()
        downloads.mkdir()
        record = find_record(uri)
        if record == Model.FILE:
            check_unsigned_allowed(name)
        sums = None if record == Model.FILE else read_sums(uri)

        def get(path: str, digest: str = "") -> Path:
            if sums is None:
                return storage.fetch(f"{uri.rstrip('/')}/{path}", downloads, digest).absolute()
            return fetch_checked(uri, path, sums, downloads).absolute()

        (folder / Model.FILE).symlink_to(get(record))
        try:
            trained = Model.load(folder)
        except GraftError as error:
            raise GraftError(
                f"The {Model.FILE} of {name} is damaged or another Graft's: name another model."
            ) from error
        if sums is not None:
            check_model_digest(trained.model_digest, sums, f"{name}/{record}")
        (folder / Model.KERAS).symlink_to(get(Model.KERAS, trained.model_digest))
        has_index = with_index and sums is not None and _EXPORTED_INDEX in sums
        index = get(_EXPORTED_INDEX) if has_index else None
        yield SavedModel(name, folder, trained.model_digest, trained.classes, index)
