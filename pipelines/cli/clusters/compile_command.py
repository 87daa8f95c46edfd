"""The command that compiles the pipeline for a cluster."""

from pathlib import Path

from graft.components.common.steps import Component
from graft.pipelines.cluster.compiling import compile_component, compile_pipeline
from graft.pipelines.cluster.profile.images import pinned_images
from graft.pipelines.cluster.profile.reading import read_profile
from graft.pipelines.cluster.target import TargetOptions


def compile_(*, where: TargetOptions, output: Path, component: Component | None = None) -> None:
    """Compiles the pipeline, or one component, for Kubeflow or Vertex.

    Args:
        where: The target and its profile.
        output: The YAML file to write.
        component: Compile this step alone, for a pipeline of your own.
    """
    profile = read_profile(where.profile, where.target)
    images = pinned_images(profile, where.profile, allow_tag=where.allow_tag)
    if component:
        compile_component(component, profile, images, where.target, output)
    else:
        compile_pipeline(profile, images, where.target, output)
    print(output)
