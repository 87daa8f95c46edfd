"""A short season through the docker runner: begin, nothing new, more images."""

import shutil
import zipfile

import pytest
from docker_tools import run

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.history import read_history

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.photographs]

MORE = 6


def test_three_runs(contained, photographs):
    store = str(contained.folder / "runs/store")
    again = run(contained.folder, *contained.inputs)
    assert again.returncode == 0, again.stderr
    grown = contained.folder / "grown.zip"
    shutil.copy(contained.source, grown)
    with zipfile.ZipFile(photographs) as whole, zipfile.ZipFile(grown, "a") as part:
        new = sorted(
            {name for name in whole.namelist() if "/train/" in name and name.endswith(".jpg")} - {*part.namelist()}
        )
        for name in new[:MORE]:
            part.writestr(name, whole.read(name))
    more = run(contained.folder, "--source", grown, *contained.inputs[2:])
    assert more.returncode == 0, more.stderr
    assert Registry(store, "model").verify() == []
    first, second, third = read_history(store, "model")
    assert [run.outcome for run in (first, second, third)] == [
        *(Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.SUCCEEDED),
    ]
    assert (first.new, first.computed, second.new) == (150, 100, None)
    assert (third.new, third.computed) == (MORE, MORE)
    assert Registry(store, "model").latest().version == third.version
