"""What all records share: frozen, validated fields, and one check of the schema that they follow."""

import json
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graft.components.common.errors import DamagedRecordError

SCHEMA_VERSION = 2
"""Of all records. Readers take the one before as well; tests/fixtures holds what the Graft of that time wrote."""

Interval = tuple[float, float]
"""The lower and the upper end of a 95% interval."""

Setting = bool | int | float | str | None | tuple[str, ...]
"""A value of a step's settings, as a record keeps it."""


T = TypeVar("T")
Sparse = Annotated[T | None, Field(exclude_if=lambda value: value is None)]
"""A field that is left out of its record where it is None."""


class Part(BaseModel):
    """Frozen, validated fields of a record."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, serialize_by_alias=True, validate_by_name=True)


class Record(Part):
    """A record: JSON that says which schema it follows. Reading one of the schema before brings it up to date."""

    REMEDY: ClassVar[str]
    """What to do about a damaged one."""

    schema_version: int = Field(SCHEMA_VERSION, description="Version of the schema, of all records alike.")

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """Reads a record.

        Args:
            content: Its bytes.
            where: Its path or URI without secrets, for messages.

        Raises:
            DamagedRecordError: It is damaged, or follows a schema that this Graft doesn't know.
        """
        try:
            schema = json.loads(content)["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = "it has no schema_version" if isinstance(error, KeyError) else str(error)
            raise DamagedRecordError(f"{where} is damaged ({why}): {cls.REMEDY}.") from error
        if schema not in (SCHEMA_VERSION, SCHEMA_VERSION - 1):
            raise DamagedRecordError(
                f"{where} has schema version {schema}, and this Graft reads {SCHEMA_VERSION}: use the Graft that wrote it."
            )
        try:
            record = cls.model_validate_json(content, strict=True)
        except ValidationError as error:
            raise DamagedRecordError(f"{where} is damaged ({_problem(error)}): {cls.REMEDY}.") from error
        return record.model_copy(update={"schema_version": SCHEMA_VERSION})

    def text(self) -> str:
        """Returns the record as it is written: JSON, a field a line."""
        content = self.model_dump(mode="json")
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _problem(error: ValidationError) -> str:
    """Returns what is wrong with a record, and where in it."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"it has no {field}"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{field}: {reason}" if field else reason


def utc_now() -> str:
    """Returns the time as ISO 8601 text in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
