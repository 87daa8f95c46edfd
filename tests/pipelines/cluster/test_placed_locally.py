"""A target changes where steps run, never what they do. `test_last_steps_local` runs what is placed for a cluster."""

import pytest
from kfp import compiler
from support import yaml_documents

from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.placement import Placement
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.training import build_pipeline

IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64, gpu="registry.example/graft@sha256:" + "1" * 64)


def place(target):
    return Placement(read_profile(None, target), IMAGES, target)


def logic(pipeline, path):
    """What a compiled pipeline does, without where: the command of each step, and where its inputs come from."""
    compiler.Compiler().compile(pipeline, str(path))
    spec = yaml_documents(path)[0]
    commands = {
        name: [entry["container"][part] for part in ("command", "args")]
        for name, entry in spec["deploymentSpec"]["executors"].items()
    }
    dags = [spec["root"]["dag"], *(one["dag"] for one in spec["components"].values() if "dag" in one)]
    tasks = {name: task for dag in dags for name, task in dag["tasks"].items()}
    kept = ("componentRef", "inputs", "dependentTasks", "triggerPolicy")
    return commands, {name: {key: task.get(key) for key in kept} for name, task in tasks.items()}


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_a_target_changes_nothing_of_what_is_done(tmp_path, target):
    commands, tasks = logic(build_pipeline(place(target)), tmp_path / "placed.yaml")
    assert len(commands) == 7 and {"train", "export", "notify"} <= tasks.keys()
    assert (commands, tasks) == logic(build_pipeline(), tmp_path / "plain.yaml")
