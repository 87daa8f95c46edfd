"""A version that is to get traffic: where it lies, and what it has to answer."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from graft.components.common import storage
from graft.components.common.artifacts.checksums import fetch_checked, read_sums
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.servable import open_servable
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.serving.asking import ask_saved_model

# Servers compute on other machines, and in batches of other sizes, than the export did.
_MAX_DIFFERENCE = 0.01
_SECONDS = 60.0


class _Prediction(BaseModel):
    label: str
    probabilities: Annotated[list[float], Field(min_length=1)]


class _Answer(BaseModel):
    predictions: Annotated[list[_Prediction], Field(min_length=1)]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A version of a model that is to get traffic.

    Attributes:
        name: The model's name, which clients name too.
        version: The version's name in the registry.
        uri: Path or URI of the version.
        files: SHA-256 of the files that servers are given, by path in the version.
        base_path: The folder in the version that servers are given: `serving/<name>`, whose subfolder `1` is the SavedModel.
        request: The body of a request to TensorFlow Serving's REST interface.
        answer: The body of its answer, when the version was exported.
        counter: The counter of the `latest.json` by which it gets traffic. A target keeps it, and tells it as `Placed.counter`.
    """

    name: str
    version: str
    uri: str
    files: Mapping[str, str]
    base_path: str
    request: bytes = dataclasses.field(repr=False)
    answer: bytes = dataclasses.field(repr=False)
    counter: int = 0


def read_candidate(registry: Registry, version: str, counter: int = 0) -> Candidate:
    """Reads what a version's servers are given, and what it has to answer. Every file is checked against the version's checksums.

    Args:
        registry: The model's registry.
        version: The version's name.
        counter: The counter of the `latest.json` by which it gets traffic.

    Raises:
        GraftError: The version is damaged or was changed, or was exported before there was a folder for servers.
    """
    uri = registry.versions.uri(version)
    sums = read_sums(uri)
    shown = storage.redact(uri)
    with storage.scratch_folder("candidate") as scratch:

        def read(path: str) -> bytes:
            return fetch_checked(uri, path, sums, scratch).read_bytes()

        record = Export.parse(read(Export.FILE), f"{shown}/{Export.FILE}")
        if record.base_path is None or Export.REQUEST not in sums:
            raise GraftError(
                f"{shown} was exported by an older Graft, which gave servers no folder of their own: export the model again."
            )
        files = {path: digest for path, digest in sums.items() if PurePosixPath(path).is_relative_to(record.base_path)}
        for path in files:
            fetch_checked(uri, path, sums, scratch)
        request = read(Export.REQUEST)
        answer = read(Export.RESPONSE) if Export.RESPONSE in sums else _answer_now(uri, request)
    try:
        _Answer.model_validate_json(answer)
    except ValidationError as error:
        raise GraftError(f"{shown}/{Export.RESPONSE} is no answer of a server's: export the model again.") from error
    return Candidate(registry.name, version, uri, files, record.base_path, request, answer, counter)


def _answer_now(uri: str, request: bytes) -> bytes:
    """Returns what a version answers that was exported before its answer was kept: its SavedModel is run here."""
    with open_servable(uri) as servable:
        return ask_saved_model(servable.folder / "1", request, _SECONDS)


def check_answer(candidate: Candidate, answer: bytes, where: str, remedy: str) -> None:
    """Compares what a version answers where it is to get traffic with what it answered when it was exported.

    Args:
        candidate: The version.
        answer: The body of its answer.
        where: The place, for people.
        remedy: What to do where it answers otherwise: a sentence.

    Raises:
        GraftError: It answers otherwise.
    """
    expected = _Answer.model_validate_json(candidate.answer).predictions
    try:
        got = _Answer.model_validate_json(answer).predictions
    except ValidationError as error:
        raise GraftError(
            f"{where} does not answer as the version {candidate.version[:12]} does: {_shown(answer)}. It gets no traffic."
        ) from error
    if len(got) != len(expected) or not all(map(_agree, got, expected)):
        raise GraftError(
            f"{where} answers {_shown(answer)}, and the version {candidate.version[:12]} answered {_shown(candidate.answer)} "
            f"when it was exported. It gets no traffic. {remedy}"
        )


def _agree(got: _Prediction, expected: _Prediction) -> bool:
    same = got.label == expected.label or _is_tie(expected.probabilities)
    return same and _are_close(got.probabilities, expected.probabilities)


def _is_tie(probabilities: Sequence[float]) -> bool:
    """Tells whether rounding may decide which of two classes is the more probable one."""
    best = sorted(probabilities)[-2:]
    return best[-1] - best[0] <= 2 * _MAX_DIFFERENCE and len(best) > 1


def _are_close(got: Sequence[float], expected: Sequence[float]) -> bool:
    return len(got) == len(expected) and all(
        math.isclose(one, other, rel_tol=0, abs_tol=_MAX_DIFFERENCE) for one, other in zip(got, expected, strict=True)
    )


def _shown(body: bytes) -> str:
    """Returns the beginning of an answer, on one line."""
    return " ".join(body[:200].decode(errors="replace").split())
