"""YAML as people mean it: `off` is a word, `010` is ten, a date is text, and no name stands twice.

PyYAML reads YAML 1.1, where these are False, 8, a date, and whatever comes last. Here it reads the scalars of YAML 1.2's core schema
(https://yaml.org/spec/1.2.2/#103-core-schema); numbers that begin with a 0 are text, which settings take for decimal.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
    "merge": (r"<<", ["<"]),
}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader, with other scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own form)


for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)


def load(content: bytes | str) -> Any:
    """Reads a document.

    Raises:
        yaml.YAMLError: It is no YAML.
        ValueError: A name stands twice in it.
    """
    loader = _Loader(content)
    try:
        node = loader.get_single_node()
        for name, line in repeated(node):
            raise ValueError(f"line {line} gives {name} a second time: keep one of them")
        return loader.construct_document(node) if node else None
    finally:
        loader.dispose()


def repeated(node: Any) -> Iterator[tuple[str, int]]:
    """Yields the names that a mapping of a document holds twice, of which YAML would silently take the last, and their lines.

    What aliases lead to is looked at once.
    """
    waiting, met = [("", node)], set[int]()
    while waiting:
        prefix, one = waiting.pop()
        if id(one) in met:
            continue
        met.add(id(one))
        if isinstance(one, yaml.SequenceNode):
            waiting += [(prefix, item) for item in one.value]
        if not isinstance(one, yaml.MappingNode):
            continue
        seen = set[str]()
        for key, value in one.value:
            name = f"{prefix}{key.value}"
            if name in seen:
                yield name, key.start_mark.line + 1
            seen.add(name)
            waiting.append((f"{name}.", value))
