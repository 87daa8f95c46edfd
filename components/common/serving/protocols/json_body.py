"""JSON in requests, held against what a protocol asks for."""

from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from graft.components.common.serving.refusals import Refusal

MAX_VALUES = 4_000_000
"""Values that the JSON of a request may have: each takes up to a hundred times the bytes in memory that it has in a body."""


class JsonPart(BaseModel):
    """What a JSON object must hold; what else it holds is not looked at, as the servers do it."""

    model_config = ConfigDict(strict=True, frozen=True)


Part = TypeVar("Part", bound=JsonPart)


def parse_json(body: bytes | memoryview, kind: type[Part]) -> Part:
    """Parses a JSON object.

    Raises:
        Refusal: It is no JSON, is nested too deeply, has too many values, or holds something else than that.
    """
    content = bytes(body)
    # Each value but the first stands behind one of these, none of which is in base64.
    if sum(map(content.count, (b"[", b"{", b","))) > MAX_VALUES:
        raise Refusal(
            f"A request's JSON may have {MAX_VALUES} values: send images as base64, fewer pixels, or binary tensors.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        raise Refusal(f"The request can't be understood: {where and f'{where}: '}{found['msg']}.") from error
