"""The training pipeline: resolve, then ingest → train → evaluate → gate → export, and always notify."""

import dataclasses
from collections.abc import Callable
from typing import Any

from kfp import dsl

from graft.components.common.runs.verdict import QUIET_RUNS, UNCHANGED
from graft.components.evaluate.component import evaluate
from graft.components.export.component import export
from graft.components.gate.component import gate
from graft.components.ingest.component import ingest
from graft.components.notify.component import notify
from graft.components.resolve.component import resolve
from graft.components.train.component import train

PIPELINE = "graft"
IMAGE = "graft:cpu"

Place = Callable[[Any, str], Any]


def on_image(image: str) -> Place:
    """Returns a placement of all tasks on one image, and nothing else.

    Args:
        image: The image.
    """
    return lambda task, step: task.set_container_image(image)


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a compiled pipeline knows of where it runs.

    Attributes:
        run: Identifier of the run; by default the one that the backend gives.
        store: The pipeline's `store` where a run names none.
        pipeline_root: Where artifacts go; None for the backend's default.
        link: Address of a run's page, with `{run}` in place of its identifier; empty for none.
        webhook_secret: Secret Manager version that holds the webhook's URL; empty for none.
        webhook_format: What the webhook gets: `json` or `text`.
        webhook_quiet: Notify on every Nth unchanged run in a row; this is the N.
    """

    run: str = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    store: str = ""
    pipeline_root: str | None = None
    link: str = ""
    webhook_secret: str = ""
    webhook_format: str = "json"
    webhook_quiet: int = QUIET_RUNS


def build_pipeline(place: Place = on_image(IMAGE), around: Surroundings = Surroundings()) -> Any:  # noqa: B008 (frozen)
    """Builds the pipeline.

    Export takes the gate's decision as an input, so that a model that did not pass can't be exported. Only ingest and
    train may be served from a step cache: both have the digest of what they work on among their inputs.

    Args:
        place: Sets a task up, given its step's name: image, and on a cluster CPU, memory, GPU and so on.
        around: What the pipeline knows of where it runs.

    Returns:
        The pipeline, to be compiled, or called where kfp.local is set up.
    """

    def placed(task: Any, step: str, *, cached: bool = False) -> Any:
        place(task, step)
        return task.set_caching_options(cached)

    @dsl.pipeline(
        name=PIPELINE,
        description="Grafts a new classification head onto a frozen, pretrained InceptionV3.",
        pipeline_root=around.pipeline_root,
    )
    def graft_pipeline(
        source: str,
        weights: str = "imagenet",
        recipe: str = "",
        optimizer: str = "",
        learning_rate: float = 0.0,
        min_accuracy: float = 0.0,
        config: str = "",
        store: str = around.store,
        name: str = "model",
        force: bool = False,
    ) -> None:
        context = {"store": store, "name": name, "run_id": around.run}
        training = {"weights": weights, "recipe": recipe, "optimizer": optimizer, "learning_rate": learning_rate}
        told = {
            "link": around.link,
            "webhook_secret": around.webhook_secret,
            "webhook_format": around.webhook_format,
            "webhook_quiet": around.webhook_quiet,
        }
        exit_task = placed(notify(**told, **context), "notify")
        with dsl.ExitHandler(exit_task):
            resolved = placed(
                resolve(source=source, min_accuracy=min_accuracy, config=config, force=force, **training, **context),
                "resolve",
            )
            with dsl.If(resolved.output != UNCHANGED, name="changed"):
                settings = {"config": config, **context}
                ingested = placed(ingest(source=source, digest=resolved.output, **settings), "ingest", cached=True)
                dataset = ingested.outputs["dataset"]
                trained = placed(train(dataset=dataset, **training, **settings), "train", cached=True)
                model = trained.outputs["model"]
                evaluated = placed(evaluate(model=model, dataset=dataset, **settings), "evaluate")
                evaluation = evaluated.outputs["evaluation"]
                judged = placed(gate(evaluation=evaluation, min_accuracy=min_accuracy, **settings), "gate")
                decision = judged.outputs["decision"]
                exported = export(model=model, dataset=dataset, evaluation=evaluation, decision=decision, **settings)
                placed(exported, "export")

    return graft_pipeline
