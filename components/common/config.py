"""A step's configuration: one frozen dataclass, filled from layers of overrides and validated as a whole."""

import dataclasses
import json
import re
import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from graft.components.common import storage
from graft.components.common.errors import GraftError, raise_all
from graft.components.common.steps import SECTIONS

Config = TypeVar("Config")


def _checked_sha256(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("a SHA-256 is written as 64 hex digits")
    return text


Sha256 = Annotated[str, AfterValidator(_checked_sha256)]
"""The SHA-256 that a file must have; empty for any."""


def configure(step: str, config: type[Config], *layers: Mapping[str, Any]) -> Config:
    """Builds a step's configuration from its defaults and layers of overrides, later ones winning.

    Args:
        step: The step's name, for messages.
        config: The dataclass with the step's fields, their types, limits and defaults.
        *layers: Field names and values.

    Raises:
        GraftError: Fields are unknown or values not allowed; the message names all of them.
    """
    merged = {key: value for layer in layers for key, value in layer.items()}
    defaults = {field.name: field.default for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    known = list(defaults)
    there_are = f"there are {', '.join(known)}"
    problems = [GraftError(f"{step} has no setting {key!r}: {there_are}.") for key in merged if key not in known]
    # Python takes true for 1.
    switches = {key for key in known if isinstance(merged.get(key), bool) and _is_number(defaults[key])}
    problems += [GraftError(f"{step}: {key} can't be {merged[key]}: it is a number.") for key in sorted(switches)]
    strict = with_config(ConfigDict(extra="forbid", allow_inf_nan=False))(config)
    try:
        settings = TypeAdapter(strict).validate_python(
            {key: merged[key] for key in known if key in merged.keys() - switches}
        )
    except ValidationError as error:
        refused = [GraftError(_refusal(step, entry)) for entry in error.errors()]
    except GraftError as error:  # of values that are allowed one by one
        refused = [error]
    else:
        refused = []
    raise_all([*problems, *refused])  # not from pydantic's, which shows values cut in the middle
    return settings


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class _Short(reprlib.Repr):
    """Shows a value of any size: by YAML's aliases a few lines hold billions."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxlong, self.maxother = 2, 300, 300, 300


def _refusal(step: str, entry: ErrorDetails) -> str:
    field = ".".join(str(part) for part in entry["loc"])
    return f"{step}: {field} can't be {_Short().repr(entry['input'])}: {entry['msg'].removeprefix('Value error, ')}."


def read_yaml(uri: str) -> dict[str, Any]:
    """Reads settings from a YAML file.

    Args:
        uri: Its path or URI.

    Raises:
        GraftError: The file can't be read or is no mapping.
    """
    import yaml

    from graft.components.common import plain_yaml  # what needs no YAML is spared its import

    content = storage.read(uri)
    try:
        fields = plain_yaml.load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise GraftError(f"{storage.redact(uri)} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(fields, dict):
        raise GraftError(f"{storage.redact(uri)} must hold settings, a line each, such as `min_accuracy: 0.9`.")
    return fields


def read_settings(uri: str, step: str, config: type[Config]) -> dict[str, Any]:
    """Reads some of a step's settings from a YAML file of their own.

    Args:
        uri: Its path or URI.
        step: The step's name, for messages.
        config: The dataclass with the step's fields, as for `configure`.

    Raises:
        GraftError: The file can't be read or is no mapping, or fields are unknown or values not allowed; the message names the file.
    """
    fields = read_yaml(uri)
    try:
        configure(step, config, fields)
    except GraftError as error:
        raise_all(GraftError(f"{storage.redact(uri)}: {problem}") for problem in error.problems)
    return fields


def settings_json(uri: str, fields: Mapping[str, Any]) -> str:
    """Returns settings that `read_yaml` read as JSON text.

    Args:
        uri: Where they were read, for messages.
        fields: The settings.

    Raises:
        GraftError: One is none that JSON has.
    """
    try:
        return json.dumps(fields, default=bytes.decode)  # YAML's `!!binary`, which settings take for text
    except (TypeError, ValueError, RecursionError) as error:
        raise GraftError(
            f"{storage.redact(uri)} holds a set, bytes that are no text, or an alias of what it is in: write numbers and words."
        ) from error


def read_json(text: str) -> Any:
    """Reads JSON of people's, in which no name stands twice: of two the first would go without a word.

    Raises:
        ValueError: It is none, or a name stands twice in an object.
        RecursionError: It is none.
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_Short().repr(twice)} stands in one object twice: keep one of them")
    return found


def section(text: str, step: str) -> dict[str, Any]:
    """Reads one step's overrides out of the pipeline's `config` parameter.

    Args:
        text: Empty, or a JSON object with a section a step, such as `{"train": {"cut": "mixed4"}}`.
        step: The section to return.

    Raises:
        GraftError: The text is not such an object.
    """
    if not text.strip():
        return {}
    try:
        sections = read_json(text)
    except (ValueError, RecursionError) as error:
        raise GraftError(f'--config is not JSON ({error}): write it like \'{{"train": {{"epochs": 20}}}}\'.') from error
    if not isinstance(sections, dict):
        raise GraftError('--config must be a JSON object with one object a step, like {"train": {"epochs": 20}}.')
    for name, settings in sections.items():
        if name not in SECTIONS:
            raise GraftError(f"--config has a section {name!r}: there are {', '.join(SECTIONS)}.")
        if not isinstance(settings, dict):
            held = "null" if settings is None else _Short().repr(settings)
            raise GraftError(
                f"The section {name!r} of --config is {held}: give it an object of settings, or leave it out."
            )
    return dict(sections.get(step, {}))
