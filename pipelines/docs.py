"""The tables of inputs and outputs in the components' READMEs, made from the components themselves.

`python -m graft.pipelines.docs` writes them; a test fails when they have drifted.
"""

import importlib
from pathlib import Path
from typing import Any

from graft.components.common.runs import STEPS

_BEGIN, _END = "<!-- table: made by `make format` -->", "<!-- end of table -->"
_FOLDER = Path(__file__).parents[1] / "components"
_COMPONENTS = (*STEPS, "notify")


def readme_text(step: str) -> str:
    """Returns a component's README with its table up to date.

    Args:
        step: The step.
    """
    text = (_FOLDER / step / "README.md").read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    return f"{before}{_BEGIN}\n{_table(step)}{_END}{rest.split(_END)[1]}"


def _table(step: str) -> str:
    spec = getattr(importlib.import_module(f"graft.components.{step}.component"), step).component_spec
    described = _descriptions(step)
    rows = ["| | name | type | what it is |", "| --- | --- | --- | --- |"]
    for direction, entries in (("input", spec.inputs), ("output", spec.outputs)):
        for name, entry in (entries or {}).items():
            rows.append(
                f"| {direction} | `{name}` | {_type(entry)} | {described.get(name, described.get('Returns', ''))} |"
            )
    return "\n".join(rows) + "\n"


def _descriptions(step: str) -> dict[str, str]:
    """Reads the descriptions out of the component function's docstring."""
    from docstring_parser import parse

    function: Any = getattr(importlib.import_module(f"graft.components.{step}.component"), step).python_func
    parsed = parse(function.__doc__ or "")
    found = {parameter.arg_name: parameter.description or "" for parameter in parsed.params}
    if parsed.returns:
        found["Returns"] = parsed.returns.description or ""
    return {name: " ".join(text.split()) for name, text in found.items()}


def _type(entry: Any) -> str:
    return str(entry.type).partition("@")[0].removeprefix("system.")


def main() -> None:
    """Brings all READMEs up to date."""
    for step in _COMPONENTS:
        path = _FOLDER / step / "README.md"
        path.write_text(readme_text(step), encoding="utf-8")


if __name__ == "__main__":
    main()
