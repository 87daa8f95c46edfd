"""The `graft` command: help, exit codes, and errors in one sentence."""

import dataclasses
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import graft
from cyclopts import App
from evaluations import EVALUATION, METRICS
from exports import make_export

from graft.components.common.parameters import Parameters
from graft.components.common.steps import STEPS
from graft.components.resolve.resolve import resolve
from graft.components.train.config import TrainConfig
from graft.pipelines.cli import app as command_line
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

GRAFT = Path(sys.executable).with_name("graft")


COMMANDS = [
    *STEPS,
    "layers",
    "predict",
    "serve",
    "sample",
    "run",
    "history",
    "gc",
    "compile",
    "submit",
    "status",
    "logs",
    "cancel",
]


def test_layers_lists_the_cuts_at_a_size():
    lines = graft("layers").stdout.splitlines()
    assert [line.split() for line in lines if "mixed7 " in line] == [["mixed7", "7×7×768", "8,975,264"]]
    assert lines[-1].split() == ["mixed10", "3×3×2048", "21,802,784"]
    assert len(graft("layers", "--every", "--image-size", "299").stdout.splitlines()) > 300
    refused = graft("layers", "--image-size", "74")
    assert (refused.returncode, "greater than or equal to 75" in refused.stderr) == (2, True)


def test_options_come_from_the_dataclasses():
    shown = " ".join(graft("train", "--help").stdout.replace("│", " ").split())
    assert "--learning-rate FLOAT" in shown
    assert f"[default: {TrainConfig.learning_rate}, unless the recipe says otherwise]" in shown


def test_none_is_a_value_of_an_option_that_may_be_none(tmp_path):
    evaluated = EVALUATION | {"metrics": METRICS | {"accuracy": 0.8}}
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(evaluated))
    rules = tmp_path / "rules.yaml"
    rules.write_text("min_accuracy: 0.7\nmax_ece: 0.05\nmin_images: 200\n")
    asked = ["gate", "--evaluation", "evaluation", "--output", "decision", "--rules", rules]
    off = ["--max-regression", "none", "--max-ece", "none", "--min-images", "none"]
    passed = graft(*asked, *off, cwd=tmp_path)
    assert (passed.returncode, passed.stderr) == (0, "")
    decided = json.loads((tmp_path / "decision" / "decision.json").read_text())
    assert [(rule["rule"], rule["threshold"]) for rule in decided["rules"]] == [("min_accuracy", 0.7)]
    refused = graft(*asked, "--min-accuracy", "none", cwd=tmp_path)
    assert (refused.returncode, "--min-accuracy" in refused.stderr) == (2, True)


HEAVY = {"tensorflow", "keras", "kfp", "sklearn", "scipy", "google.auth"}
HELPED = """
import contextlib, io, json, sys
from graft.pipelines.cli.app import app
helped, before = {}, set()
for command in sys.argv[1:]:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        app([*command.split(), "--help"])
    helped[command] = shown.getvalue(), sorted(sys.modules.keys() - before)
    before = set(sys.modules)
print(json.dumps(helped))
"""


@pytest.fixture(scope="module")
def helped():
    """By command what its help prints and which modules it imports, all in one process; `""` comes first, and what may import most last."""
    commands = ["", *sorted({*COMMANDS, "schedules create", "registry list"} - {"compile"}), "compile"]
    done = subprocess.run([sys.executable, "-c", HELPED, *commands], check=True, capture_output=True, text=True)
    return {command: (shown, set(imported)) for command, (shown, imported) in json.loads(done.stdout).items()}


@pytest.mark.parametrize("command", [*COMMANDS, "schedules create", "registry list"])
def test_every_command_explains_itself_and_imports_neither_tensorflow_nor_kfp_for_that(command, helped):
    shown, imported = helped[command]
    assert "default:" in shown or "required" in shown
    needed_by_its_options = {"compile": {"kfp", "google.auth"}}
    assert not (HEAVY - needed_by_its_options.get(command, set())) & imported


def test_the_list_of_commands_imports_none_of_them_nor_what_they_need(helped):
    shown, imported = helped[""]
    assert all(f" {command} " in shown for command in COMMANDS)
    assert not (HEAVY | {"pydantic", "fsspec", "numpy", "yaml", "cronsim"}) & imported
    ours = {name for name in imported if name.startswith("graft.")} - {"graft.components", "graft.pipelines"}
    assert ours == {f"graft.pipelines.cli{module}" for module in ("", ".app", ".output")} | {
        f"graft.components.common{module}" for module in ("", ".ending", ".escaping")
    }


def test_what_looks_at_records_imports_no_tensorflow_for_its_work(tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(EVALUATION))
    make_export(tmp_path / "export", 1, 0.9)
    (tmp_path / "images.json").write_text('{"cpu": "graft:cpu", "gpu": "graft:gpu"}')
    commands = [
        "registry publish model export --store store",
        "registry list model --store store",
        "gate --evaluation evaluation --output decision --min-accuracy 0.1 --store store --run-id monday",
        "history model --store store --html history.html",
        "compile --target kubeflow --allow-tag --output pipeline.yaml",
    ]
    code = f"""
import sys
from graft.pipelines.cli.app import app
for command in {commands}:
    app(command, result_action="return_value")
    print(command.split()[0], "tensorflow" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split("\n")[:-1] == [f"{command.split()[0]} False" for command in commands], done.stderr
    assert "not promoted" in done.stdout and "passed" in done.stdout
    assert all((tmp_path / made).exists() for made in ("decision/decision.json", "history.html", "pipeline.yaml"))


def test_the_list_of_commands_says_what_each_says_of_itself():
    for commands in command_line.COMMANDS.values():
        for path, said in commands.items():
            module, _, name = path.partition(":")
            command = getattr(importlib.import_module(f"graft.pipelines.cli.{module}"), name)
            described = command.help if isinstance(command, App) else command.__doc__.splitlines()[0]
            assert said == described, path


def test_an_interrupt_that_a_library_made_an_error_of_is_still_one(monkeypatch):
    def interrupted(*_, **__):
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    monkeypatch.setattr(command_line, "app", interrupted)
    ended = graft("ingest")
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert "defect" not in ended.stderr


def test_resolve_takes_what_run_takes_and_gives_the_digest_that_the_pipeline_works_on(tmp_path):
    draw_sample(tmp_path / "pictures", images=60)
    (tmp_path / "mine.yaml").write_text("optimizer: sgd\nepochs: 5\n")
    (tmp_path / "settings.yaml").write_text("train: {cut: mixed4}\n")
    options = {"optimizer": "adam", "learning_rate": 0.02, "min_accuracy": 0.7}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    files = ["--recipe", "mine.yaml", "--config", "settings.yaml"]
    asked = ["--source", "pictures", "--weights", "random", *files, *words]
    result = graft("resolve", *asked, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    run = Parameters(
        str(tmp_path / "pictures"),
        "random",
        recipe='{"optimizer": "sgd", "epochs": 5}',
        config='{"train": {"cut": "mixed4"}}',
        **options,
    )
    assert result.stdout.splitlines()[-1] == resolve(run).digest
    assert result.stdout.splitlines()[-1] != resolve(dataclasses.replace(run, optimizer="sgd")).digest
    offered = {option: set(re.findall(r"--[a-z-]+", graft(option, "--help").stdout)) for option in ("run", "resolve")}
    assert offered["resolve"] - {"--run-id"} < offered["run"]
    assert {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Parameters)} <= offered["resolve"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ingest", "--source", "nowhere.zip", "--output", "out"], "nowhere.zip doesn't exist: check the path or URI."),
        (["train", "--dataset", ".", "--output", "out"], "holds no dataset.json"),
        (
            ["train", "--dataset", ".", "--output", "out", "--recipe", "best"],
            "no recipe 'best': there are fast, accurate, seed",
        ),
        (["gate", "--evaluation", ".", "--output", "out", "--min-accuracy", "0.5"], "holds no evaluation.json"),
        (["run", "--recipe", "best"], "no recipe 'best'"),
        (["run", "--source", "nowhere", "--recipe", "mine.yaml"], "mine.yaml doesn't exist: check the path or URI."),
        (["run", "--optimizer", "adm"], "optimizer can't be 'adm'"),
        (["run", "--config", '{"gate": {"min": 1}}'], "gate has no setting 'min'"),
        (["sample", "--output", "out", "--images", "7"], "multiple of 6"),
    ],
)
def test_errors_are_one_sentence(tmp_path, arguments, said):
    result = graft(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert "Traceback" in graft(*arguments, "--debug", cwd=tmp_path).stderr


PARTS = {
    "by --output, or a part by --part": ["--part", "1/2", "--output", "here", "--store", "store", "--run-id", "one"],
    "'3/2' is no part: write it as K/N": ["--part", "3/2", "--store", "store", "--run-id", "one"],
    "in a store: name one by --store": ["--part", "1/2", "--run-id", "one"],
    "belongs to a run: name one by --run-id": ["--part", "1/2", "--store", "store"],
}


@pytest.mark.parametrize("said", PARTS)
@pytest.mark.parametrize(
    "step", [["ingest", "--source", "."], ["train", "--dataset", "."], ["evaluate", "--model", "m"]]
)
def test_a_part_needs_a_number_a_store_and_a_run_and_makes_no_folder(tmp_path, step, said):
    more = ["--dataset", "."] if step[0] == "evaluate" else []
    done = graft(*step, *more, *PARTS[said], cwd=tmp_path)
    assert done.returncode == 1 and said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_part_that_is_alone_says_that_it_did_nothing(tmp_path):
    done = graft("ingest", "--source", ".", "--part", "1/1", "--store", "store", "--run-id", "one", cwd=tmp_path)
    assert done.returncode == 0 and "nothing was done: ingest itself does the work" in done.stdout


def test_several_errors_are_one_sentence_each(tmp_path):
    words = [
        "run",
        "--source",
        "nowhere",
        "--weights",
        "not.h5",
        "--config",
        '{"gate": {"min": 1}}',
        "--optimizer",
        "adm",
    ]
    result = graft(*words, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    first, *others = result.stderr.splitlines()
    assert first == "graft: 4 things are wrong:"
    for line, said in zip(
        others, ("optimizer can't be", "no setting 'min'", "nowhere doesn't", "not.h5 doesn't"), strict=True
    ):
        assert line.startswith("  - ") and said in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ingest", "--output", "out"], "--source requires an argument"),
        (
            ["ingest", "--source", ".", "--output", "out", "--max-bad-fraction", "2"],
            'Invalid value "2.0" for --max-bad-fraction: Input should be less than 1.',
        ),
        (["train", "--dataset", ".", "--output", "out", "--optimizer", "adm"], '"adam", "adamw", "rmsprop", "sgd"'),
        (["train", "--dataset", ".", "--output", "out", "--epochs", "0"], "Input should be greater than 0"),
        (
            ["train", "--dataset", ".", "--output", "out", "--epochs", "2.5"],
            '--epochs: unable to convert "2.5" into int',
        ),
        (["registry", "prune", "--store", "out", "--keep", "1.5"], '--keep: unable to convert "1.5" into int'),
        (["gate", "--evaluation", ".", "--output", "out", "--min-acuracy", "0.5"], "--min-accuracy"),
        (["retrain"], "Available commands: run, history"),
    ],
)
def test_wrong_options_are_named_with_what_is_allowed(tmp_path, arguments, said):
    result = graft(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_steps_chain_by_their_folders_and_leave_run_records(tmp_path):
    assert graft("sample", "--output", "pictures", "--images", 60, cwd=tmp_path).returncode == 0
    record = ["--store", "store", "--name", "pets", "--run-id", "monday"]
    result = graft("ingest", "--source", "pictures", "--output", "dataset", *record, cwd=tmp_path)
    assert result.returncode == 0
    assert "40 train, 20 validation images of cats, dogs" in result.stdout
    again = graft("ingest", "--source", "pictures", "--output", "dataset", *record, cwd=tmp_path)
    assert again.returncode == 1
    assert "already holds a finished result" in again.stderr
    written = json.loads((tmp_path / "store/models/pets/runs/monday/ingest.json").read_text())
    assert (written["status"], written["error"]) == ("failed", "GraftError")
    assert "already holds" in written["summary"]


def test_what_is_said_of_a_file_steers_no_terminal(tmp_path):
    record = ("--store", "store", "--name", "pets", "--run-id", "monday")
    result = graft("ingest", "--source", "\x1b[2J\npets", "--output", "dataset", *record, cwd=tmp_path)
    assert result.stderr == "graft: \\u001b[2J\\u000apets doesn't exist: check the path or URI.\n"
    assert "\\\\u001b[2J" in (tmp_path / "store/models/pets/runs/monday/ingest.json").read_text()


def test_names_cannot_leave_the_store(tmp_path):
    result = graft("resolve", "--source", ".", "--store", "store", "--name", "../../pets", cwd=tmp_path)
    assert result.returncode == 1
    assert "can't be a name" in result.stderr
    assert not (tmp_path / "store").exists()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 60 pictures, and one in which each is there 15 times, so that ingest is at work for a while."""
    folder = tmp_path_factory.mktemp("pictures")
    draw_sample(folder / "few", 60)
    for picture in (folder / "few").rglob("*.jpg"):
        place = folder / "many" / picture.parent.relative_to(folder / "few")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(15):
            os.link(picture, place / f"{picture.stem}-{number}.jpg")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_ingest_leaves_nothing_and_the_next_one_works(tmp_path, pictures, number):
    command = [GRAFT, "ingest", "--source", pictures / "many", "--output", "dataset"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("dataset/*.tfrecord")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in stderr
    assert not (tmp_path / "dataset").exists()
    assert graft("ingest", "--source", pictures / "few", "--output", "dataset", cwd=tmp_path).returncode == 0
