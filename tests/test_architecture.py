"""The rules of the layout: dependencies point one way, and components import only the standard library and kfp."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("components/**/*.py"), *ROOT.glob("pipelines/**/*.py")])


def imports(path, *, top_level_only=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def layer(module):
    """Higher layers may import lower ones: common < steps < components < pipelines < cli."""
    if module == "graft.pipelines.cli.app":
        return 4
    if module.startswith("graft.pipelines"):
        return 3
    if module.endswith(".component"):
        return 2
    if module.startswith("graft.components.common"):
        return 0
    return 1


def module_name(path):
    return "graft." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_dependencies_point_one_way(path):
    own = layer(module_name(path))
    for imported in imports(path):
        assert not imported.startswith(("components", "pipelines")), f"{imported}: import it as graft.{imported}"
        if imported.startswith("graft.") and imported != module_name(path):
            assert layer(imported) <= own, f"{module_name(path)} must not import {imported}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("components/*/component.py")), ids=lambda path: path.parent.name)
def test_components_import_only_the_standard_library_and_kfp_at_the_top(path):
    for imported in imports(path, top_level_only=True):
        assert imported.split(".")[0] in {"kfp", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_step_logic_knows_nothing_of_kfp(path):
    if path.is_relative_to(ROOT / "components") and path.name != "component.py":
        assert not any(imported.split(".")[0] == "kfp" for imported in imports(path))


@pytest.mark.parametrize(
    "folder", [path.parent for path in ROOT.glob("components/*/component.py")], ids=lambda p: p.name
)
def test_every_component_has_the_same_shape(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"README.md", "component.py", "__init__.py", f"{folder.name}.py"} <= names
