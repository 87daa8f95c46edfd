"""The steps of the pipeline, in their order."""

from typing import Literal, get_args

Step = Literal["resolve", "ingest", "train", "evaluate", "gate", "export"]
"""A step that does a part of the work. Its record tells how the run ended."""

Component = Literal[Step, "notify"]
"""A step, or the exit handler that tells people how the run ended."""

STEPS: tuple[Step, ...] = get_args(Step)
"""All steps, in the order of the pipeline."""

COMPONENTS: tuple[Component, ...] = get_args(Component)

SECTIONS = STEPS[1:]
"""The steps with a configuration of their own, each a section of the pipeline's `config` parameter.

`resolve` has none: it reads what the others are given.
"""
