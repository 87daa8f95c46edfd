"""A command that misses a package says which, and how to install it: in one sentence, with exit code 1."""

import json
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from graft.components.common.extras import EXTRAS, how_to_install

pytestmark = pytest.mark.slow

NEEDS = {
    "predict model picture.png": ("tensorflow", "cpu"),
    "train --dataset dataset --output out --weights random": ("tensorflow", "cpu"),
    "tune --dataset dataset --weights random": ("optuna", "tune"),
    "resolve --source pictures --weights random": ("tensorflow", "cpu"),
    "resolve --source pictures --weights random --config onnx.yaml": ("onnx", "formats"),
    "serve export": ("TensorFlow", "cpu"),
    "run --source pictures --weights random": ("kfp", "pipelines"),
    "run --source pictures --weights random --runner docker": ("kfp", "pipelines"),
    "compile --target kubeflow --output pipeline.yaml": ("kfp", "pipelines"),
    "submit --target kubeflow --endpoint http://127.0.0.1:9 --store gs://nowhere/store": ("cronsim", "pipelines"),
    "schedules list --target kubeflow --endpoint http://127.0.0.1:9": ("cronsim", "pipelines"),
    "status monday --target vertex --profile vertex.yaml": ("client", "vertex"),
    "ingest --source s3://nowhere/pictures --output out": ("s3fs", "s3"),
}
RUN_ALL = """
import contextlib, io, json, sys
from graft.pipelines.cli.app import main
told = []
for command, packages in json.load(sys.stdin).items():
    hidden = dict.fromkeys(packages)
    sys.modules.update(hidden)
    sys.argv, err = ["graft", *command.split()], io.StringIO()
    with contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code
    for package in hidden:
        del sys.modules[package]
    told.append((code, err.getvalue()))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(chain, tmp_path_factory):
    """What each command says, and its exit code, where an extra is not installed that it needs."""
    folder = tmp_path_factory.mktemp("bare")
    for name in ("model", "dataset", "export", "pictures"):
        (folder / name).symlink_to(chain / name)
    (folder / "picture.png").symlink_to(next((chain / "pictures").rglob("*.jpg")))
    (folder / "onnx.yaml").write_text("export: {formats: [onnx]}\n")
    (folder / "vertex.yaml").write_text("vertex: {project: pets, location: europe-west4}\n")
    hidden = {command: EXTRAS[extra] for command, (_, extra) in NEEDS.items()}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        cwd=folder,
        input=json.dumps(hidden),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(NEEDS, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("command", NEEDS)
def test_the_package_is_named_with_what_installs_it(told, command):
    (code, said), (package, extra) = told[command], NEEDS[command]
    assert code == 1, said
    (line,) = said.strip().splitlines()
    assert package in line and line.endswith(f"pip install 'graft[{extra}]'."), line


def test_every_package_of_an_extra_is_known_by_the_names_that_are_imported():
    providers = packages_distributions()
    wanted = {extra: set() for extra in EXTRAS}
    for text in distribution("graft").requires:
        requirement = Requirement(text)
        for extra in EXTRAS:
            if requirement.marker and requirement.marker.evaluate({"extra": extra}):
                wanted[extra].add(canonicalize_name(requirement.name))
    known = {
        extra: {
            canonicalize_name(name) for package in packages for name in providers.get(package.partition(".")[0], [])
        }
        for extra, packages in EXTRAS.items()
    }
    assert {extra: wanted[extra] - known[extra] for extra in EXTRAS} == {extra: set() for extra in EXTRAS}


def test_what_graft_depends_on_itself_is_in_no_extra():
    assert how_to_install("pydantic") == "install Graft again, with what it depends on"
    assert how_to_install("kfp.local", "tensorflow") == "pip install 'graft[cpu,pipelines]'"
