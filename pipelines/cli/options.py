"""Options of the steps' commands, made from the steps' configuration dataclasses."""

import dataclasses
import json
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import CycloptsError, Parameter, Token
from pydantic import ValidationError, WrapValidator

from graft.components.common.config import read_yaml

# None is a value: it switches a rule of the gate off.
_NOT_GIVEN: Any = object()


def flatten(*configs: type) -> None:
    """Makes the fields of configuration dataclasses options of the commands that take them."""
    for config in configs:
        Parameter(name="*")(config)


def options_over(config: type, source: str) -> Any:
    """Returns a dataclass like a configuration in which a field that is not given is left for something else to fill.

    Args:
        config: The configuration.
        source: What fills it, in words.
    """
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
    flatten(options)
    return options


def given(options: Any) -> dict[str, Any]:
    """Returns the fields that are given.

    Args:
        options: Of a dataclass that `options_over` made.
    """
    fields = ((field.name, getattr(options, field.name)) for field in dataclasses.fields(options))
    return {name: value for name, value in fields if value is not _NOT_GIVEN}


def _validate_given(value: Any, validate: Callable[[Any], Any]) -> Any:
    return value if value is _NOT_GIVEN else validate(value)


def _recipe(kind: type, tokens: Sequence[Token]) -> str:
    """Reads a recipe's file, so that its content and not its path goes to where the step runs."""
    from graft.components.train.recipes import read_recipe

    value = tokens[0].value
    return read_recipe(value) if value.endswith((".yaml", ".yml")) else value


def _config(kind: type, tokens: Sequence[Token]) -> str:
    """Reads a file of settings, so that its content and not its path goes to where the steps run."""
    value = tokens[0].value
    return json.dumps(read_yaml(value)) if value.endswith((".yaml", ".yml")) else value


ConfigOption = Annotated[str, Parameter(converter=_config)]
RecipeOption = Annotated[str, Parameter(converter=_recipe)]


def usage_error(error: CycloptsError) -> str:
    """Returns what is wrong with a command line as one sentence."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return f"{str(error).splitlines()[0].partition('. ')[0]}: {cause.errors()[0]['msg'].removeprefix('Value error, ')}."
    return " ".join(str(error).split())


def _shown(default: Any, source: str) -> Parameter:
    return Parameter(show_default=lambda _: f"{default}, unless {source} says otherwise")
