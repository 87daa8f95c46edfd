"""The training pipeline: resolve, then ingest → train → evaluate → gate → export, perhaps deploy and mirror, and always notify."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kfp import dsl

from graft.components.common.artifacts.outcomes.results import UNCHANGED
from graft.components.common.parameters import Parameters
from graft.components.common.runs.verdict import QUIET_RUNS
from graft.components.common.steps import LAST_STEPS_VARIABLE, Component, FannedStep
from graft.components.deploy.component import deploy
from graft.components.evaluate.component import evaluate
from graft.components.evaluate.parts.component import evaluate_part, evaluate_plan
from graft.components.export.component import export
from graft.components.gate.component import gate
from graft.components.ingest.component import ingest
from graft.components.ingest.parts.component import ingest_part, ingest_plan
from graft.components.mirror.component import mirror
from graft.components.notify.component import notify
from graft.components.resolve.component import resolve
from graft.components.train.component import train
from graft.components.train.parts.component import train_part, train_plan

PIPELINE = "graft"
IMAGE = "graft:cpu"

Place = Callable[[Any, Component], Any]

PARTS: dict[FannedStep, tuple[Any, Any]] = {
    "ingest": (ingest_plan, ingest_part),
    "train": (train_plan, train_part),
    "evaluate": (evaluate_plan, evaluate_part),
}
"""What lists a step's work and shares it out, and what does a part of it."""


def on_image(image: str) -> Place:
    """Returns a placement that sets the image of every task, and nothing else."""
    return lambda task, step: task.set_container_image(image)


@dataclasses.dataclass(frozen=True)
class FanOut:
    """How a step's work is shared by parts, which run side by side before it.

    Attributes:
        parts: How many there may be.
        images: How many images a part is worth: less work has fewer parts.
    """

    parts: int
    images: int


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What a pipeline is told about the place it runs in when it is compiled.

    Attributes:
        run_id: Identifier of the run; by default the one that the backend gives it.
        store: Default of the parameter `store`.
        pipeline_root: Where artifacts go; None for the backend's default.
        link: Address of a run's page, with `{run}` in place of its identifier; empty for none.
        webhook_secret: Secret Manager version that holds the webhook's URL; empty for none.
        webhook_format: What the webhook gets: `json` or `text`.
        webhook_quiet: Notify on every Nth unchanged run in a row; this is N.
        validate_with: The server that export tries the model with besides Graft's own; empty for none.
        deploy: JSON of the settings of the step that brings the model into traffic; empty for a pipeline without it.
        mirror: JSON of the settings of the step that copies the registry to another; empty for a pipeline without it.
        fan_out: The steps whose work is shared by parts, and how. They need a store.
    """

    run_id: str = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    store: str = ""
    pipeline_root: str | None = None
    link: str = ""
    webhook_secret: str = ""
    webhook_format: str = "json"
    webhook_quiet: int = QUIET_RUNS
    validate_with: str = ""
    deploy: str = ""
    mirror: str = ""
    fan_out: Mapping[FannedStep, FanOut] = dataclasses.field(default_factory=dict)


def build_pipeline(place: Place = on_image(IMAGE), deployment: Deployment = Deployment()) -> Any:  # noqa: B008 (frozen)
    """Builds the pipeline. Its parameters are the fields of `Parameters`, and a step gets those that it names.

    Export takes the gate's decision as an input, so that a model that did not pass can't be exported. No step may be served
    from a step cache: every run has other inputs, and a driver that asks for the cache fails where it can't. The last steps, which not
    every pipeline has, are told to resolve: its record is how readers know that a run is not over without theirs.

    Args:
        place: Sets a task up, given its step's name: image, and on a cluster CPU, memory, GPU and so on.
        deployment: What the pipeline is told about the place it runs in.

    Returns:
        The pipeline, to be compiled, or called where kfp.local is set up.
    """

    def training_pipeline(*parameters: Any) -> None:
        known = {**vars(deployment), **vars(Parameters(*parameters))}

        def task(component: Any, step: Component, **inputs: Any) -> Any:
            named = {name: known[name] for name in component.component_spec.inputs if name in known}
            made = component(**named | inputs)  # a last step's config is its own
            place(made, step)
            return made.set_caching_options(False)

        def shared(component: Any, step: FannedStep, **inputs: Any) -> Any:
            if not (wanted := deployment.fan_out.get(step)):
                return task(component, step, **inputs)
            plan, part = PARTS[step]
            planned = task(plan, "resolve", **inputs, **vars(wanted))
            with dsl.ParallelFor(planned.output, name=f"{step}-parts") as item:
                done = task(part, step, **inputs, item=item)
            return task(component, step, **inputs).after(done)

        last_steps = {
            step: config for step, config in ((deploy, deployment.deploy), (mirror, deployment.mirror)) if config
        }
        with dsl.ExitHandler(task(notify, "notify")):
            resolved = task(resolve, "resolve")
            if last_steps:
                resolved.set_env_variable(LAST_STEPS_VARIABLE, ",".join(step.name for step in last_steps))
            with dsl.If(resolved.output != UNCHANGED, name="changed"):
                dataset = shared(ingest, "ingest", digest=resolved.output).outputs["dataset"]
                model = shared(train, "train", dataset=dataset).outputs["model"]
                evaluation = shared(evaluate, "evaluate", model=model, dataset=dataset).outputs["evaluation"]
                decision = task(gate, "gate", evaluation=evaluation).outputs["decision"]
                done = task(export, "export", model=model, dataset=dataset, evaluation=evaluation, decision=decision)
                for step, config in last_steps.items():
                    done = task(step, step.name, config=config).after(done)

    training_pipeline.__signature__ = _signature(deployment.store)  # type: ignore[attr-defined]  # kfp reads it
    return dsl.pipeline(
        name=PIPELINE,
        description="Grafts a new classification head onto a frozen, pretrained InceptionV3.",
        pipeline_root=deployment.pipeline_root,
    )(training_pipeline)


def _signature(store: str) -> inspect.Signature:
    """Returns the pipeline's signature: the fields of `Parameters`, with the store's default as this deployment has it."""
    fields = inspect.signature(Parameters)
    parameters = {**fields.parameters, "store": fields.parameters["store"].replace(default=store)}
    return fields.replace(parameters=list(parameters.values()))
