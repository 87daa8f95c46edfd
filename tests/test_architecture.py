"""The rules of the layout that no contract in pyproject.toml can see: what stands at a module's top, names of files, shapes of folders."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("components/**/*.py"), *ROOT.glob("pipelines/**/*.py")])
COMPONENTS = sorted(ROOT.glob("components/*/component.py"))

# Only the artifacts' types spell the names of their files.
ARTIFACTS = ROOT / "components" / "common" / "artifacts"
FILES = {
    "dataset.json",
    "training.json",
    "evaluation.json",
    "decision.json",
    "export.json",
    "latest.json",
    "graft-numbers.json",
    "run.json",
    "index.parquet",
    "predictions.parquet",
    "model.keras",
    "SHA256SUMS",
}


def name(path):
    return path.relative_to(ROOT).as_posix()


def test_only_artifacts_spells_the_names_of_their_files():
    spelled = [
        f"{name(path)}:{node.lineno}: {node.value!r} belongs to common/artifacts"
        for path in SOURCES
        if not path.is_relative_to(ARTIFACTS)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.rpartition("/")[2] in FILES
    ]
    assert not spelled


def test_everything_is_imported_by_its_full_name():
    short = [
        f"{name(path)}: import it as graft.{imported}"
        for path in SOURCES
        for imported in imports(ast.walk(ast.parse(path.read_text())))
        if imported.startswith(("components", "pipelines"))
    ]
    assert not short


@pytest.mark.parametrize("path", sorted(ROOT.glob("components/**/component.py")), ids=name)
def test_components_import_only_the_standard_library_and_kfp_at_the_top(path):
    for imported in imports(ast.parse(path.read_text()).body):
        assert imported.split(".")[0] in {"kfp", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", COMPONENTS, ids=name)
def test_every_component_has_the_same_shape(path):
    names = {file.name for file in path.parent.iterdir()}
    assert {"README.md", "component.py", "__init__.py", f"{path.parent.name}.py"} <= names


def imports(nodes):
    """Yields the names of the modules that these statements import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_no_two_test_modules_have_one_name():
    """`make test` collects all of them in one process, which takes two of one name for the same module."""
    modules = [path.name for path in ROOT.glob("tests/**/test_*.py")]
    assert sorted(set(modules)) == sorted(modules)
