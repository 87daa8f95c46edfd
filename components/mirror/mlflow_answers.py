"""What MLflow's REST API answers, as far as Graft reads it. Fields that it adds are left out."""

from typing import Annotated

from pydantic import BaseModel, Field

_Number = Annotated[int, Field(ge=1)]


class Tag(BaseModel):
    """A tag of a model or of one of its versions."""

    key: str
    value: str = ""


class Alias(BaseModel):
    """A name that one version of a model has."""

    alias: str
    version: _Number


class ModelVersion(BaseModel):
    """A version of a registered model."""

    version: _Number
    source: str = ""
    tags: tuple[Tag, ...] = ()


class RegisteredModel(BaseModel):
    """A registered model."""

    aliases: tuple[Alias, ...] = ()
    tags: tuple[Tag, ...] = ()


class OneModel(BaseModel):
    """The answer about a registered model."""

    registered_model: RegisteredModel


class OneVersion(BaseModel):
    """The answer about a version."""

    model_version: ModelVersion


class FoundVersions(BaseModel):
    """A page of the versions that a search found."""

    model_versions: tuple[ModelVersion, ...] = ()
    next_page_token: str = ""


class Nothing(BaseModel):
    """An answer that only says that it was done."""


class Problem(BaseModel):
    """Why a request was refused."""

    error_code: str = ""
    message: str = ""
