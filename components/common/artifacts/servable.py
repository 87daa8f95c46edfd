"""An exported model wherever it is, made ready for a server: its SavedModel in a local folder of the shape that servers take."""

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS, digest_of, fetch_checked, read_sums, version_named
from graft.components.common.artifacts.export import Export
from graft.components.common.errors import GraftError

_DEFAULT_NAME = "model"


@dataclasses.dataclass(frozen=True)
class Servable:
    """An exported model that a server can be given.

    Attributes:
        name: The name that it was exported under; `model` if the Export is of before there was one in it.
        version: The digest that names the version.
        classes: Its class names in label order.
        folder: The base path for a server: it holds the SavedModel as version `1`.
    """

    name: str
    version: str
    classes: tuple[str, ...]
    folder: Path


@contextmanager
def open_servable(uri: str) -> Iterator[Servable]:
    """Makes the SavedModel of an Export ready: what is remote is downloaded, once, and every file is checked against its sum.

    A server is given what the sums list, and nothing that lies beside it.

    Args:
        uri: Path or URI of an Export, or of a version in a registry.

    Raises:
        GraftError: It is no finished Export, is damaged or changed, has no SavedModel, or can't be read.
    """
    base, shown = uri.rstrip("/"), storage.redact(uri)
    if not storage.exists(f"{base}/{SUMS}"):
        raise GraftError(
            f"{shown} is no finished Export: no {SUMS} can be read there; export the model, and name the result."
        )
    version, sums = version_named(uri) or digest_of(storage.read(f"{base}/{SUMS}")), read_sums(uri)
    with storage.scratch_folder("serve") as scratch:
        downloads = (scratch / "downloads" / str(number) for number in itertools.count())

        def get(path: str) -> Path:
            folder = next(downloads)  # of its own: files of two folders may have one name
            folder.mkdir(parents=True)
            return fetch_checked(uri, path, sums, folder).absolute()

        record = Export.parse(get(Export.FILE).read_bytes(), f"{shown}/{Export.FILE}")
        name = PurePosixPath(record.base_path or _DEFAULT_NAME).name
        paths = [path for path in sums if PurePosixPath(path).is_relative_to(record.saved_model)]
        if not paths:
            raise GraftError(f"{shown} has no SavedModel, which is what is served: export the model again.")
        for path in paths:
            link = scratch / name / "1" / PurePosixPath(path).relative_to(record.saved_model)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(get(path))
        yield Servable(name, version, record.classes, scratch / name)
