"""Options of the steps' commands, made from the steps' configuration dataclasses."""

import dataclasses
import typing
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from graft.components.common.config import configure

Config = TypeVar("Config")


def flatten(*configs: type) -> None:
    """Makes the fields of configuration dataclasses options of the commands that take them."""
    for config in configs:
        Parameter(name="*")(config)


def recipe_options(config: type) -> Any:
    """Returns a dataclass like a configuration in which a field that is not given is None, for the recipe to fill."""
    hints = typing.get_type_hints(config, include_extras=True)
    fields = [
        (field.name, Annotated[hints[field.name] | None, _shown(field.default)], dataclasses.field(default=None))
        for field in dataclasses.fields(config)
    ]
    options = dataclasses.make_dataclass(f"{config.__name__}Options", fields, frozen=True, kw_only=True)
    # Cyclopts takes classes of the module `types`, where make_dataclass puts them, for single values.
    options.__module__, options.__doc__ = __name__, config.__doc__
    flatten(options)
    return options


def checked(step: str, config: Config) -> Config:
    """Returns a configuration that came from the command line, its limits checked.

    Raises:
        GraftError: A value is not allowed.
    """
    return configure(step, type(config), dataclasses.asdict(config))  # type: ignore[call-overload]


def _shown(default: Any) -> Parameter:
    return Parameter(show_default=lambda _: f"{default}, unless the recipe says otherwise")
