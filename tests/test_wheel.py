"""The source archive and the wheel: all of Graft, as `pip install` brings it where no checkout lies beside it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv

import pytest
from support import ROOT

# What the source archive has beside the code.
TOP_LEVEL = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "src"}
# Run by another environment's Python, which has what it imports.
FOREIGN = "components/export/acceptance/kserve_server.py"
_IMPORT_ALL = """
import importlib, pathlib, sys
import graft.components, graft.pipelines
for name in sys.stdin.read().split():
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(sys.prefix), module.__file__
"""


@pytest.mark.slow
def test_a_wheel_of_the_source_archive_has_every_module_and_file_in_a_fresh_environment(tmp_path):
    source, built, fresh = tmp_path / "source", tmp_path / "built", tmp_path / "fresh"
    source.mkdir()
    for item in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / item, source)
    for folder in ("components", "pipelines", "src"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=unwanted)
    # The archive is made of the checkout, and the wheel of the archive.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, source]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (archive,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(archive) as opened:
        folders = {"/".join(name.split("/")[1:3]) for name in opened.getnames()}
        assert folders <= {"", *TOP_LEVEL, "src/graft", "src/graft.egg-info"}
    venv.create(fresh, with_pip=False)
    python = fresh / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--disable-pip-version-check", wheel], check=True)
    # What Graft depends on is borrowed; its own links into the checkout stay behind, since .pth files don't count on this path.
    borrowed = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}

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
