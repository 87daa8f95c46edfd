"""What a profile's sections share: a base class, and the texts that they are made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from graft.components.common.storage import redact
from graft.pipelines.cluster.durations import parse_duration


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _without_secrets(uri: str) -> str:
    if redact(uri) != uri:
        raise ValueError(
            "it holds a user name, password or query string, which would be seen by everyone: leave it out"
        )
    return uri


# YAML's true is no number, as Python's is.
Whole = Annotated[int, Strict()]
Duration = Annotated[str, AfterValidator(_duration)]
Uri = Annotated[str, AfterValidator(_without_secrets)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?m?$")]
Memory = Annotated[str, Field(pattern=r"^[0-9]+[KMGTPE]i?$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Section(BaseModel):
    """A part of a profile, whose fields are described by the text after each."""

    # Numbers are taken for text, so that `cpu: 4` needs no quotes.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, coerce_numbers_to_str=True)
