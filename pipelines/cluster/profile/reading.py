"""Reading a profile: a YAML file that the user edits. A mistake in it is named with file, line and field."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from graft.components.common.errors import GraftError
from graft.components.common.plain_yaml import repeated
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.target import Target

DEFAULTS = Path(__file__).parent
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # of a section, and of a step's configuration
_GONE = {
    "retry.max_backoff": "delete this line: Kubeflow took it for the time after which nothing is tried again, which is now worked out "
    "from steps.STEP.timeout, retry.count and the pauses"
}


def read_profile(path: Path | None, target: Target) -> Profile:
    """Reads a profile; without a path the target's default.

    Raises:
        GraftError: The file is missing, no YAML, or a field is unknown or wrong; the message names file, line and field.
    """
    path = path or DEFAULTS / f"{target}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise GraftError(f"{path} can't be read ({error}): name a profile's file.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise GraftError(f"{path}:{line}: this is not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise GraftError(f"{path}: this is not valid YAML: {' '.join(str(error).split())}.") from error
    for field, line in repeated(node):
        raise GraftError(f"{path}:{line}: {field}: given twice: keep one of them.")
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        # A misspelt field explains a missing one; and images, a union, reports each of its branches: the deepest was meant.
        first = max(error.errors(), key=lambda entry: (entry["type"] in _UNKNOWN, len(entry["loc"])))
        keys = [key for key in first["loc"] if key not in ("Images", "str", "[key]")]
        name = ".".join(map(str, keys))
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] in _UNKNOWN:
            reason = _GONE.get(name, "there is no such field")
        raise GraftError(
            f"{path}:{_line(node, keys)}: {name + ': ' if name else ''}{reason}; docs/profile.md lists the fields."
        ) from error


def _line(node: Any, keys: Sequence[str | int]) -> int:
    """Returns the line of a field, or of the section that it is missing from."""
    line = node.start_mark.line if node else 0
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            entries = [(name, value) for name, value in node.value if name.value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            entries = [(node.value[key], node.value[key])]
        else:
            break
        if not entries:
            break
        name, node = entries[0]
        line = name.start_mark.line
    return int(line) + 1
