"""The wheel: all of Graft, as `pip install` brings it where no checkout lies beside it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest
from support import ROOT

# Run by another environment's Python, which has what it imports.
FOREIGN = "components/export/kserve_server.py"
_IMPORT_ALL = """
import importlib, pathlib, sys
import graft.components, graft.pipelines
for name in sys.stdin.read().split():
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(sys.prefix), module.__file__
"""


@pytest.mark.slow
def test_a_wheel_in_a_fresh_environment_has_every_module_and_file(tmp_path):
    source, fresh = tmp_path / "source", tmp_path / "fresh"
    source.mkdir()
    for item in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / item, source)
    for folder in ("components", "pipelines", "src"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=unwanted)
    venv.create(fresh, with_pip=False)
    python = fresh / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    # What Graft depends on is borrowed; its own links into the checkout stay behind, since .pth files don't count on this path.
    borrowed = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    subprocess.run([*install, "--disable-pip-version-check", source], check=True, env=borrowed)

    files = [path.relative_to(ROOT) for folder in ("components", "pipelines") for path in (ROOT / folder).rglob("*.*")]
    modules = [
        ".".join(("graft", *path.parts))[:-3].removesuffix(".__init__")
        for path in files
        if path.suffix == ".py" and path.as_posix() != FOREIGN
    ]
    subprocess.run(
        [python, "-W", "error", "-c", _IMPORT_ALL], input="\n".join(modules), text=True, check=True, env=borrowed
    )
    installed = fresh / sysconfig.get_path("purelib", vars={"base": fresh, "platbase": fresh}) / "graft"
    needed = [path for path in files if path.suffix in (".j2", ".js") or path.match("profile/*.yaml")]
    needed += [path for path in files if path.as_posix() == FOREIGN]
    assert {path.suffix for path in needed} == {".j2", ".js", ".yaml", ".py"}
    assert [path for path in needed if not (installed / path).is_file()] == []
