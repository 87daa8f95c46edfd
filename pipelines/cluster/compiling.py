"""Compiling the pipeline, or one component, for a target."""

import copy
import hashlib
import importlib
import tempfile
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from graft.components.common import storage
from graft.components.common.runs.verdict import QUIET_RUNS
from graft.components.common.steps import Component
from graft.pipelines.cluster.kubeflow.workflow_state import check_state, slim
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.last_steps import as_json
from graft.pipelines.cluster.profile.placement import Placement
from graft.pipelines.cluster.target import Target
from graft.pipelines.training import Deployment, FanOut, build_pipeline

# What the target calls a run is what its steps' records are filed under, so that whoever submitted it finds them.
_RUN = {"kubeflow": dsl.PIPELINE_JOB_ID_PLACEHOLDER, "vertex": dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER}


def compile_pipeline(profile: Profile, images: Images, target: Target, output: Path) -> None:
    """Compiles the pipeline for a target. The same profile and code give the same bytes.

    Args:
        profile: Says what the steps run on.
        images: The images of the steps.
        target: What it is compiled for.
        output: The YAML file to write: for kubeflow two documents, for vertex one.

    Raises:
        GraftError: The profile asks for what the target can't do.
    """
    place = Placement(profile, images, target)
    told = profile.notification
    deployment = Deployment(
        run_id=str(_RUN[target]),
        store=profile.store,
        pipeline_root=profile.pipeline_root or None,
        link=(profile.kubeflow if target == "kubeflow" else profile.vertex).link("{run}"),
        webhook_secret=told.secret_manager if told else "",
        webhook_format=told.format if told else "json",
        webhook_quiet=told.quiet if told else QUIET_RUNS,
        validate_with=profile.validate_with,
        deploy=as_json(profile.deploy),
        mirror=as_json(profile.mirror),
        fan_out={step: FanOut(**dict(wanted)) for step, wanted in profile.fan_out.items()},
    )
    pipeline = build_pipeline(place, deployment)
    if target == "kubeflow" and profile.fan_out:
        slim(pipeline)
        check_state(pipeline, profile)
    _write(pipeline, output)


def compile_component(step: Component, profile: Profile, images: Images, target: Target, output: Path) -> None:
    """Compiles one step as a component, for pipelines of the user's own, which give it its CPU, memory and GPU.

    Args:
        step: The step.
        profile: Says whether the step runs on a GPU.
        images: The images, of which the component gets the step's.
        target: What it is compiled for.
        output: The YAML file to write.

    Raises:
        GraftError: The profile asks for what the target can't do.
    """
    place = Placement(profile, images, target)
    module = importlib.import_module(f"graft.components.{step}.component")
    component = copy.copy(getattr(module, step))
    component.component_spec = copy.deepcopy(component.component_spec)
    component.component_spec.implementation.container.image = place.image(step)
    _write(component, output)


def content_name(package: Path) -> str:
    """Returns a name for a compiled pipeline that is the same for the same content."""
    return f"graft-{hashlib.sha256(package.read_bytes()).hexdigest()[:16]}"


def _write(pipeline: Any, output: Path) -> None:
    """Compiles to a temporary file first, so that the output is either whole or as it was."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(compiled))
        storage.put(compiled, str(output))
