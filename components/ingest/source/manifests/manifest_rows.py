"""The rows of a manifest: CSV or JSON Lines, Graft's own columns or Vertex AI's import forms.

The import forms of Vertex AI for single-label image classification, CSV as `[ML_USE],GCS_FILE_PATH,[LABEL]` and JSON Lines by the schema
`image_classification_single_label_io_format_1.0.0.yaml`, are those of
https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data; `UNASSIGNED` is a value of `ML_USE` in AutoML's form of it
(https://cloud.google.com/java/docs/reference/google-cloud-automl/2.3.0/com.google.cloud.automl.v1.InputConfig).
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any

from graft.components.common.artifacts.lists.spreadsheets import SEPARATORS, separator_of, told_separator
from graft.components.common.artifacts.outcomes.results import listed
from graft.components.common.config import read_json
from graft.components.common.errors import GraftError
from graft.components.ingest.source.file_names import class_name
from graft.components.ingest.source.manifests.manifest_lines import Lines, RowError
from graft.components.ingest.source.split_names import split_of

MAX_COLUMNS = 100
# What the index has columns of its own for.
RESERVED = (
    *("sha256", "path", "split", "label", "width", "height", "brightness", "phash", "miniature"),
    *("shard", "record", "offset", "conversions", "version", "label_kept"),
)
_UNDECIDED = ("", "unassigned")
_NEEDED = ("uri", "label")
_ML_USE = "aiplatform.googleapis.com/ml_use"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A row of a manifest.

    Attributes:
        line: Number of its first line, from 1.
        uri: The image, as the manifest names it.
        label: Its class.
        split: Its split, or None if its content is to decide.
        further: The other columns by name.
    """

    line: int
    uri: str
    label: str
    split: str | None
    further: dict[str, str] = field(default_factory=dict)


def read_rows(file: IO[bytes], name: str, *, is_csv: bool) -> Iterator[ManifestRow]:
    """Reads a manifest, a row at a time.

    Args:
        file: The manifest, UTF-8, or UTF-16 with a byte order mark.
        name: What to call it in messages.
        is_csv: Whether it is CSV; JSON Lines else.

    Raises:
        GraftError: A row can't be used; the message names its line.
    """
    lines = Lines(file)
    rows = _csv_rows(lines) if is_csv else _json_rows(lines)
    try:
        for row in rows:
            lines.first, lines.bytes = lines.number + 1, 0
            yield row
    except RowError as error:
        raise GraftError(f"{name}, line {lines.first}: {error}.") from error
    except csv.Error as error:
        raise GraftError(
            f"{name}, line {lines.first}: is not CSV ({error}): correct its quotes and line ends."
        ) from error


def shown(value: str) -> str:
    """Returns a value as a message shows it."""
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…")


def _csv_rows(lines: Lines) -> Iterator[ManifestRow]:
    first, separator = _separator(lines)
    reader = csv.reader(chain([first], lines), strict=True, delimiter=separator, skipinitialspace=True)
    header: list[str] | None = None
    is_first = True
    for values in reader:
        names = [value.strip() for value in values]
        if not any(names):  # an empty line, which spreadsheets fill with separators
            lines.first, lines.bytes = lines.number + 1, 0
            continue
        if is_first and {*_NEEDED} & {name.lower() for name in names}:
            header = _header(names)
            lines.first, lines.bytes = lines.number + 1, 0
        elif header is None:
            yield _vertex_row(lines.first, names, is_first=is_first)
        elif [name.lower() for name in names] == [name.lower() for name in header]:
            raise RowError("is the header once more, as where lists were joined: leave the row out")
        elif len(values) != len(header):
            raise RowError(f"has {len(values)} fields where the header has {len(header)}: correct the row")
        else:
            cells = dict(zip(header, values, strict=True))
            uri, label, split = (cells.pop(name, "") for name in ("uri", "label", "split"))
            yield _row(lines.first, uri, label, split, cells)
        is_first = False


def _separator(lines: Lines) -> tuple[str, str]:
    """Returns the first line that is not empty, and what separates its fields: what a line before it says, or what makes it a header."""
    text = _first(lines)
    if told := told_separator(text):
        lines.first, lines.bytes = lines.number + 1, 0
        return _first(lines), told
    return text, separator_of(text, _NEEDED) or SEPARATORS[0]


def _first(lines: Lines) -> str:
    for text in lines:
        if text.strip():
            return text
        lines.first, lines.bytes = lines.number + 1, 0
    return ""


def _header(names: list[str]) -> list[str]:
    """Checks the names of the columns."""
    header = [name.lower() if name.lower() in ("uri", "label", "split") else name for name in names]
    for name in ("uri", "label"):
        if name not in header:
            raise RowError(f"the header has no column {name}: add it")
    for number, name in enumerate(header, 1):
        if not name:
            raise RowError(f"column {number} has no name in the header: add one, or remove the column")
        if name in header[: number - 1]:
            raise RowError(f"the header names {shown(name)} twice: rename one of them")
    _check_further([name for name in header if name not in ("uri", "label", "split")])
    return header


def _check_further(names: list[str]) -> None:
    for name in names:
        if name.lower() in RESERVED or name.lower() == "uri":
            raise RowError(f"the column name {shown(name)} is taken by the index: rename the column")
    if len(names) > MAX_COLUMNS:
        raise RowError(f"has {len(names)} further columns, more than {MAX_COLUMNS}: leave some out")


def _vertex_row(line: int, values: list[str], *, is_first: bool) -> ManifestRow:
    """Reads `[ml_use,]uri,label`."""
    if len(values) == 1 and (found := [shown(one) for one in SEPARATORS[1:] if one in values[0]]):
        raise RowError(
            f"separates its fields by {found[0]}: separate them by commas, or add the header uri{found[0][1:-1]}label"
        )
    has_split = _is_split(values[0])
    uri, *labels = values[1:] if has_split and len(values) > 1 else values
    if is_first and not {"/", "."} & set(uri):
        raise RowError(
            "is neither a header with uri and label nor a row of Vertex AI's import form [ml_use,]uri,label: "
            "add the header uri,label"
        )
    if len(labels) > 1:
        raise RowError("has more than one label: keep one, since every image has one class")
    return _row(line, uri, "".join(labels), values[0] if has_split else "", {})


def _json_rows(lines: Lines) -> Iterator[ManifestRow]:
    for text in lines:
        if not text.strip():
            lines.first, lines.bytes = lines.number + 1, 0
            continue
        try:
            found = read_json(text)
        except (ValueError, RecursionError) as error:
            raise RowError(f"is not JSON ({str(error).splitlines()[0]}): write one object a line") from error
        if not isinstance(found, dict):
            raise RowError('is not a JSON object: write one a line, like {"uri": "cats/1.jpg", "label": "cat"}')
        for key in [key for key in found if key.lower() in ("uri", "label", "split")]:
            if found.setdefault(key.lower(), found[key]) is not found[key]:
                raise RowError(f"has {shown(key)} beside {shown(key.lower())}: keep one of them")
            found[key.lower()] = found.pop(key)
        if "imageGcsUri" in found:
            found = _from_vertex(found)
        if missing := [name for name in _NEEDED if name not in found]:
            there_are = f"its keys are {listed([shown(key) for key in found])}" if found else "it has no keys"
            raise RowError(f"has no {missing[0]}, {there_are}: name the image by uri, and its class by label")
        if isinstance(found.get("label"), int) and not isinstance(found["label"], bool):
            found["label"] = str(found["label"])
        uri, label, split = (_own_text(found, name) for name in ("uri", "label", "split"))
        further = {name: _as_text(value) for name, value in found.items()}
        _check_further(list(further))
        if "" in further:
            raise RowError("has a key without a name: name it")
        yield _row(lines.first, uri, label, split, further)


def _from_vertex(found: dict[str, Any]) -> dict[str, Any]:
    """Gives the keys of Vertex AI's import schema Graft's names; other resource labels become columns."""
    annotation = found.pop("classificationAnnotation", None)
    labels = found.pop("dataItemResourceLabels", None) or {}
    if not isinstance(annotation, dict) or "displayName" not in annotation:
        raise RowError("has no classificationAnnotation with a displayName: add it, or leave the row out")
    if not isinstance(labels, dict):
        raise RowError("dataItemResourceLabels is not a JSON object: correct it")
    if {"uri", "label", "split"} & (found.keys() | labels.keys()):
        raise RowError("has keys of both Vertex AI's schema and Graft's: keep uri, label and split out of it")
    uri, split = found.pop("imageGcsUri"), labels.pop(_ML_USE, "")
    return {"uri": uri, "label": annotation["displayName"], "split": split, **labels, **found}


def _own_text(found: dict[str, Any], name: str) -> str:
    value = found.pop(name, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError(f"{name} is {shown(json.dumps(value))}, not text: write it in quotes")
    return value


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _row(line: int, uri: str, label: str, split: str, further: dict[str, str]) -> ManifestRow:
    for name, value in (("uri", uri), ("label", label), *further.items(), *((name, name) for name in further)):
        try:
            value.encode()
        except UnicodeEncodeError as error:  # JSON can write halves of a character
            raise RowError(f"{shown(name)} holds half of a Unicode surrogate pair: correct it") from error
        if "\0" in value:  # and NUL
            raise RowError(f"{shown(name)} holds a NUL character: correct it")
    uri, label = uri.strip(), class_name(label.strip())
    if not uri:
        raise RowError("uri is empty: name the image, or leave the row out")
    if not label:
        raise RowError("label is empty: name the image's class, or leave the row out")
    if not _is_split(split):
        raise RowError(f"split is {shown(split)}: write train, validation, test, or nothing to let the content decide")
    return ManifestRow(line, uri, label, split_of(split), further)


def _is_split(text: str) -> bool:
    return text.strip().lower() in _UNDECIDED or split_of(text) is not None
