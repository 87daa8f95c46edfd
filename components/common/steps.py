"""The steps of the pipeline, in their order."""

import os
from typing import Literal, get_args

LastStep = Literal["deploy", "mirror"]
"""A step that a run has after all others, if its profile has a section of that name."""

Step = Literal["resolve", "ingest", "train", "evaluate", "gate", "export", LastStep]
"""A step that does a part of the work. Its record tells how the run ended."""

Component = Literal[Step, "notify"]
"""A step, or the exit handler that tells people how the run ended."""

FannedStep = Literal["ingest", "train", "evaluate"]
"""A step whose work may be shared by parts, which run side by side before it."""

FANNED_STEPS: tuple[FannedStep, ...] = get_args(FannedStep)

PART_TASKS = ("plan", "part")
"""What the names of the tasks of such a step end in, besides its own."""

LAST_STEPS: tuple[LastStep, ...] = get_args(LastStep)

ALL_STEPS: tuple[Step, ...] = get_args(Step)
"""All steps, in the order of the pipeline, also those that not every run has."""

STEPS = ALL_STEPS[: -len(LAST_STEPS)]
"""The steps that every run has."""

COMPONENTS: tuple[Component, ...] = get_args(Component)

SECTIONS = STEPS[1:]
"""The steps with a configuration of their own, each a section of the pipeline's `config` parameter.

`resolve` has none: it reads what the others are given.
"""

LAST_STEPS_VARIABLE = "GRAFT_LAST_STEPS"
"""The environment variable that tells `resolve` which last steps its pipeline has."""


def step_of(task: str) -> str:
    """Returns the step that a task of the pipeline works for: of `ingest-part` that is `ingest`, of most their own name."""
    step, _, kind = task.partition("-")
    return step if step in FANNED_STEPS and kind in PART_TASKS else task


def last_steps_of_this_run() -> tuple[LastStep, ...]:
    """Returns the last steps of the pipeline that this process is a step of, as it was compiled."""
    told = os.environ.get(LAST_STEPS_VARIABLE, "").split(",")
    return tuple(step for step in LAST_STEPS if step in told)
