"""The committed files that are made from the code: tables in READMEs, the profile's reference, compiled pipelines.

`python -m graft.pipelines.generated` writes them; a test fails when they have drifted.
"""

import dataclasses
import importlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.decision import Decision
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.numbers import Numbers
from graft.components.common.artifacts.outcomes.part_records import PartRecord, PartsPlan
from graft.components.common.artifacts.outcomes.run_record import STEP_RECORDS, Cancelled
from graft.components.common.artifacts.outcomes.run_summary import RunSummary
from graft.components.common.steps import COMPONENTS
from graft.components.gate.config import GateConfig
from graft.components.train.recipes import DEFAULT, RECIPES
from graft.pipelines.cluster.compiling import compile_pipeline
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.last_steps import Deploy, Mirror
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.cluster.target import Target

_ROOT = Path(__file__).resolve().parents[1]
_RECORDS = (Dataset, Model, Evaluation, Decision, Export, Latest, Numbers)
_BEGIN, _END = "<!-- table: made by `make format` -->", "<!-- end of table -->"
_LOCAL_IMAGES = Images(cpu="graft:cpu", gpu="graft:gpu")


def generated_files() -> dict[Path, str]:
    """Returns all generated files and what they should hold."""
    files = {_ROOT / "components" / step / "README.md": _component_table(step) for step in COMPONENTS}
    files[_ROOT / "docs" / "profile.md"] = _profile_table()
    files[_ROOT / "docs" / "training.md"] = _recipe_table()
    files[_ROOT / "docs" / "evaluation.md"] = _rules_table()
    texts = {path: _with_table(path, table) for path, table in files.items()}
    texts[_ROOT / "docs" / "profile.schema.json"] = json.dumps(_profile_schema(), indent=2) + "\n"
    schemas: dict[str, type[BaseModel]] = {record.FILE.removesuffix(".json"): record for record in _RECORDS}
    schemas |= {f"run-{step}": record for step, record in STEP_RECORDS.items()} | {
        "run-cancelled": Cancelled,
        "run-part": PartRecord,
        "run-parts-plan": PartsPlan,
        "run": RunSummary,
    }
    texts |= {_ROOT / "docs" / "schemas" / f"{name}.schema.json": _schema(record) for name, record in schemas.items()}
    return texts | {
        _ROOT / "pipelines" / "compiled" / f"{target}.yaml": _compiled(target) for target in get_args(Target)
    }


def _schema(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=2) + "\n"


def _with_table(path: Path, table: str) -> str:
    before, rest = path.read_text(encoding="utf-8").split(_BEGIN)
    return f"{before}{_BEGIN}\n{table}{_END}{rest.split(_END)[1]}"


def _table(header: str, rows: Iterable[str]) -> str:
    return "\n".join([header, "| --- " * (header.count("|") - 1) + "|", *rows]) + "\n"


def _component_table(step: str) -> str:
    component = getattr(importlib.import_module(f"graft.components.{step}.component"), step)
    described, spec = _descriptions(component.python_func), component.component_spec
    rows = []
    for direction, entries in (("input", spec.inputs), ("output", spec.outputs)):
        for name, entry in (entries or {}).items():
            kind = str(entry.type).partition("@")[0].removeprefix("system.")
            rows.append(f"| {direction} | `{name}` | {kind} | {described.get(name, described.get('Returns', ''))} |")
    return _table("| | name | type | what it is |", rows)


def _descriptions(documented: Any) -> dict[str, str]:
    """Reads what the docstring of a function or class says of its parameters and of what it returns."""
    from docstring_parser import parse

    parsed = parse(documented.__doc__ or "")
    found = {parameter.arg_name: parameter.description or "" for parameter in parsed.params}
    if parsed.returns:
        found["Returns"] = parsed.returns.description or ""
    return {name: " ".join(text.split()) for name, text in found.items()}


def _recipe_table() -> str:
    rows = []
    for name, recipe in RECIPES.items():
        settings = ", ".join(f"`{field}` {value}" for field, value in recipe.settings.items()) or "the defaults"
        shown = f"`{name}`" + (" (default)" if name == DEFAULT else "")
        rows.append(
            f"| {shown} | {recipe.purpose} | {recipe.source} | {recipe.expected} | {recipe.cost} | {settings} |"
        )
    return _table("| recipe | for | from | expect | cost | settings |", rows)


def _rules_table() -> str:
    described = _descriptions(GateConfig)
    rows = []
    for field in dataclasses.fields(GateConfig):
        default = "off" if field.default in (None, False) else f"{field.default:g}"
        rows.append(f"| `{field.name}` | {default} | {described[field.name]} |")
    return _table("| rule | default | |", rows)


def _profile_schema() -> dict[str, Any]:
    """Returns the profile's schema; what the fields of a step's configuration are stands in the docstring of its class."""
    schema = Profile.model_json_schema()
    for config in (Deploy, Mirror):
        described = _descriptions(config.__base__)
        for name, field in schema["$defs"][config.__name__]["properties"].items():
            field["description"] = described[name]
    return schema


def _profile_table() -> str:
    schema = _profile_schema()
    fields = _fields(schema, schema["$defs"], "")
    rows = (f"| `{name}` | {default} | {description} |" for name, default, description in fields)
    return _table("| field | default | what it is |", rows)


def _fields(section: dict[str, Any], sections: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yields the fields of a section of the schema and of the sections in it: name, default and description."""
    for name, field in section["properties"].items():
        default = field.get("default")
        shown = (
            f"`{json.dumps(default)}`" if default not in (None, "", {}, []) and not isinstance(default, dict) else ""
        )
        yield (
            f"{prefix}{name}",
            "required" if name in section.get("required", []) else shown,
            " ".join(field.get("description", "").split()),
        )
        for reference, suffix in _references(field):
            yield from _fields(sections[reference], sections, f"{prefix}{name}{suffix}.")


def _references(field: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the sections that a field holds, and how its name goes on: itself, an entry of a list, or one by step."""
    for option in (field, *field.get("anyOf", [])):
        for holder, suffix in (
            (option, ""),
            (option.get("items", {}), "[]"),
            (option.get("additionalProperties"), ".STEP"),
        ):
            if isinstance(holder, dict) and "$ref" in holder and "enum" not in holder:
                yield holder["$ref"].rpartition("/")[2], suffix


def _compiled(target: Target) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compile_pipeline(read_profile(None, target), _LOCAL_IMAGES, target, path)
        return path.read_text(encoding="utf-8")


def main() -> None:
    """Brings all generated files up to date."""
    for path, text in generated_files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
