"""JSON in requests, held against what a protocol asks for."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from graft.components.common.serving.refusals import Refusal


class JsonPart(BaseModel):
    """What a JSON object must hold; what else it holds is not looked at, as the servers do it."""

    model_config = ConfigDict(strict=True, frozen=True)


Part = TypeVar("Part", bound=JsonPart)


def parse_json(body: bytes | memoryview, kind: type[Part]) -> Part:
    """Parses a JSON object.

    Raises:
        Refusal: It is no JSON, is nested too deeply, or holds something else than that.
    """
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        raise Refusal(f"The request can't be understood: {where and f'{where}: '}{found['msg']}.") from error
