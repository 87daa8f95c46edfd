"""The commands in the report are commands, and set what the records say."""

import dataclasses
import shlex

import pytest
from data_reports import HOSTILE
from evaluation_reports import Made, changed

from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.report.reproduce import commands
from graft.components.ingest.config import IngestConfig
from graft.components.train.recipes import train_config
from graft.pipelines.cli.app import app
from graft.pipelines.cli.options import given


def parsed(command):
    """What the command line makes of a command: the step's name and its arguments."""
    words = shlex.split(command)
    assert words[0] == "graft"
    step, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    return step.__name__, bound.arguments


@pytest.mark.parametrize("recipe", ["fast", "accurate", "seed", "sample"])
def test_they_set_what_was_set(recipe):
    config = dataclasses.replace(train_config(recipe), seed=7, unfreeze="mixed6..mixed7", learning_rate=1e-5)
    settings = IngestConfig(validation_fraction=0.3, sha256="a" * 64)
    judged = EvaluateConfig(champion="models/it's", anchor="gs://bucket/anchor", slices=("camera", "a site"))
    made = Made()
    ingest, train, evaluate = commands(
        changed(made.evaluation, split="test", settings=dataclasses.asdict(judged)),
        changed(made.training, config=dataclasses.asdict(config), weights="my weights.h5"),
        changed(made.dataset, source="gs://bucket/photos of 'mine'.zip", settings=dataclasses.asdict(settings)),
    )
    name, arguments = parsed(ingest)
    assert (name, arguments["source"], arguments["config"]) == ("ingest", "gs://bucket/photos of 'mine'.zip", settings)
    name, arguments = parsed(train)
    assert (name, arguments["weights"]) == ("train", "my weights.h5")
    assert train_config("", "", given(arguments["config"])) == config
    name, arguments = parsed(evaluate)
    assert (name, arguments["config"]) == ("evaluate", dataclasses.replace(judged, split="test"))


def test_a_source_can_t_be_a_command_of_its_own():
    source = f"x; rm -rf ~ $(reboot) `reboot` {HOSTILE}"
    made = Made()
    ingest, _, _ = commands(made.evaluation, made.training, changed(made.dataset, source=source))
    assert parsed(ingest)[1]["source"] == source
