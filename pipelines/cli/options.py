"""Options made from the pipeline's parameters and from the steps' configurations."""

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

from cyclopts import Parameter, Token
from pydantic import WrapValidator

from graft.components.common.config import read_yaml, settings_json
from graft.components.common.parameters import Parameters
from graft.components.train.recipes import read_recipe

ConfigT = TypeVar("ConfigT")
Flat: TypeAlias = Annotated[ConfigT, Parameter(name="*")]
"""A configuration dataclass whose fields are options of the command that takes it."""

# None is a value: it switches a rule of the gate off.
_NOT_GIVEN: Any = object()


def options_over(config: type, source: str) -> Any:
    """Returns a dataclass like a configuration, in which a field that is not given is left for `source` to fill."""
    hints = typing.get_type_hints(config, include_extras=True)
    fields = [
        (
            field.name,
            Annotated[hints[field.name], WrapValidator(_validate_given), _shown(field.default, source)],
            dataclasses.field(default=_NOT_GIVEN),
        )
        for field in dataclasses.fields(config)
    ]
    options = dataclasses.make_dataclass(f"{config.__name__}Options", fields, frozen=True, kw_only=True)
    # Cyclopts takes classes of the module `types`, where make_dataclass puts them, for single values.
    options.__module__, options.__doc__ = __name__, config.__doc__
    return Parameter(name="*")(options)


def given(options: Any) -> dict[str, Any]:
    """Returns the fields that are given, of a dataclass that `options_over` made."""
    fields = ((field.name, getattr(options, field.name)) for field in dataclasses.fields(options))
    return {name: value for name, value in fields if value is not _NOT_GIVEN}


def _validate_given(value: Any, validate: Callable[[Any], Any]) -> Any:
    return value if value is _NOT_GIVEN else validate(value)


def _or_file(read: Callable[[str], str]) -> Parameter:
    """Returns an option that takes a file of settings too, so that its content and not its path goes to where the steps run."""

    def convert(kind: type, tokens: Sequence[Token]) -> str:
        value = tokens[0].value
        return read(value) if value.endswith((".yaml", ".yml")) else value

    return Parameter(converter=convert)


ConfigOption = Annotated[str, _or_file(lambda uri: settings_json(uri, read_yaml(uri)))]
RecipeOption = Annotated[str, _or_file(read_recipe)]


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class PipelineParameters(Parameters):
    """The pipeline's parameters as options. Files of settings are read here: the steps may run where they are not."""

    recipe: RecipeOption = ""
    config: ConfigOption = ""


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class RunParameters(PipelineParameters):
    """The pipeline's parameters as options of a run, which finds a source, weights and a store if none are named.

    Attributes:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest (.csv, .jsonl); or a .url file that holds a
            signed URL. If not given: the public archive of cats and dogs. If that can't be reached, `graft run` draws pictures.
        weights: Pretrained weights of the backbone: imagenet, random, or path or URI of a Keras weights file. If not given:
            imagenet, or random for drawn pictures.
        store: Path or URI of the store, which keeps models, run records, images and features. If not given: the folder store
            in --runs, or on a cluster the store of the profile.
        name: The model's name. If not given: model, or sample if no source is given.
    """

    source: str = ""
    weights: str = ""
    name: str = ""


def _shown(default: Any, source: str) -> Parameter:
    shown = {"None": "off", "False": "off", "True": "on", "": "none"}.get(str(default), default)
    return Parameter(show_default=lambda _: f"{shown}, unless {source} says otherwise")
