"""A version that is to get traffic: where it lies, and what it has to answer."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import PurePosixPath

from pydantic import BaseModel, ValidationError

from graft.components.common import storage
from graft.components.common.artifacts.checksums import fetch_checked, read_sums
from graft.components.common.artifacts.export import Export
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry

# Servers compute on other machines, and in batches of other sizes, than the export did.
_MAX_DIFFERENCE = 0.01


class _Prediction(BaseModel):
    label: str
    probabilities: list[float]


class _Answer(BaseModel):
    predictions: list[_Prediction]


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
    files: dict[str, str]
    base_path: str
    request: bytes = dataclasses.field(repr=False)
    answer: bytes = dataclasses.field(repr=False)
    counter: int = 0


def read_candidate(registry: Registry, version: str, counter: int = 0) -> Candidate:
    """Reads what a version's servers are given, and what it has to answer.

    Args:
        registry: The model's registry.
        version: The version's name.
        counter: The counter of the `latest.json` by which it gets traffic.

    Raises:
        GraftError: The version is damaged, or was exported before there was that.
    """
    uri = registry.versions.uri(version)
    sums = read_sums(uri)
    shown = storage.redact(uri)
    with storage.scratch_folder("candidate") as scratch:
        record = Export.parse(fetch_checked(uri, Export.FILE, sums, scratch).read_bytes(), f"{shown}/{Export.FILE}")
        if record.base_path is None or Export.REQUEST not in sums or Export.RESPONSE not in sums:
            raise GraftError(
                f"{shown} was exported by an older Graft and has no {Export.RESPONSE}, by which it could be checked before it "
                "gets traffic: export the model again, or go back to a newer version."
            )
        request, answer = (
            fetch_checked(uri, path, sums, scratch).read_bytes() for path in (Export.REQUEST, Export.RESPONSE)
        )
    files = {path: digest for path, digest in sums.items() if PurePosixPath(path).is_relative_to(record.base_path)}
    return Candidate(registry.name, version, uri, files, record.base_path, request, answer, counter)


def check_answer(candidate: Candidate, answer: bytes, where: str) -> None:
    """Compares what a version answers where it is to get traffic with what it answered when it was exported.

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
            "when it was exported. It gets no traffic: look at the server's version and its log."
        )


def _agree(got: _Prediction, expected: _Prediction) -> bool:
    return got.label == expected.label and _are_close(got.probabilities, expected.probabilities)


def _are_close(got: Sequence[float], expected: Sequence[float]) -> bool:
    return len(got) == len(expected) and all(
        math.isclose(one, other, rel_tol=0, abs_tol=_MAX_DIFFERENCE) for one, other in zip(got, expected, strict=True)
    )


def _shown(body: bytes) -> str:
    """Returns the beginning of an answer, on one line."""
    return json.dumps(body[:200].decode(errors="replace"))
