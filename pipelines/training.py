"""The training pipeline: resolve, then ingest → train → evaluate → gate → export, and always notify."""

from typing import Any

from kfp import dsl

from graft.components.evaluate.component import evaluate
from graft.components.export.component import export
from graft.components.gate.component import gate
from graft.components.ingest.component import ingest
from graft.components.notify.component import notify
from graft.components.resolve.component import resolve
from graft.components.resolve.resolve import UNCHANGED
from graft.components.train.component import train

PIPELINE = "graft"
IMAGE = "graft:cpu"


def build_pipeline(image: str = IMAGE, run: str = dsl.PIPELINE_JOB_ID_PLACEHOLDER) -> Any:
    """Builds the pipeline.

    Export takes the gate's decision as an input, so that a model that did not pass can't be exported. Only ingest and
    train may be served from a step cache: both have the digest of what they work on among their inputs.

    Args:
        image: The image of all steps.
        run: Identifier of the run; by default the one that the backend gives.

    Returns:
        The pipeline, to be compiled, or called where kfp.local is set up.
    """

    def on_image(task: Any, *, cached: bool = False) -> Any:
        return task.set_container_image(image).set_caching_options(cached)

    @dsl.pipeline(name=PIPELINE, description="Grafts a new classification head onto a frozen, pretrained InceptionV3.")
    def graft_pipeline(
        source: str,
        weights: str = "imagenet",
        recipe: str = "",
        optimizer: str = "",
        learning_rate: float = 0.0,
        min_accuracy: float = 0.0,
        config: str = "",
        store: str = "",
        name: str = "model",
        force: bool = False,
    ) -> None:
        context = {"store": store, "name": name, "run_id": run}
        training = {"weights": weights, "recipe": recipe, "optimizer": optimizer, "learning_rate": learning_rate}
        exit_task = on_image(notify(**context))
        with dsl.ExitHandler(exit_task):
            resolved = on_image(
                resolve(source=source, min_accuracy=min_accuracy, config=config, force=force, **training, **context)
            )
            with dsl.If(resolved.output != UNCHANGED, name="changed"):
                settings = {"config": config, **context}
                ingested = on_image(ingest(source=source, digest=resolved.output, **settings), cached=True)
                dataset = ingested.outputs["dataset"]
                trained = on_image(train(dataset=dataset, **training, **settings), cached=True)
                model = trained.outputs["model"]
                evaluated = on_image(evaluate(model=model, dataset=dataset, **settings))
                evaluation = evaluated.outputs["evaluation"]
                judged = on_image(gate(evaluation=evaluation, min_accuracy=min_accuracy, **settings))
                on_image(
                    export(
                        model=model,
                        dataset=dataset,
                        evaluation=evaluation,
                        decision=judged.outputs["decision"],
                        **settings,
                    )
                )

    return graft_pipeline
