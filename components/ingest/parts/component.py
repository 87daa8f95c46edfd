"""The parts of the ingest step as Kubeflow components."""

from typing import List  # noqa: UP035  (kfp knows no list[str])

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def ingest_plan(
    source: str, digest: str, config: str, store: str, name: str, run_id: str, parts: int, images: int
) -> List[str]:  # noqa: UP006
    """Lists the images that ingest has to check, and decides how many parts share them.

    Args:
        source: As ingest's.
        digest: What resolve returned.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
        parts: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts, such as `1/2` and `2/2`; `1/1` if there is no other than the step itself.
    """
    from graft.components.common.config import configure, section
    from graft.components.common.runs.step_record import component_step
    from graft.components.ingest.config import IngestConfig
    from graft.components.ingest.dataset.previous_dataset import latest_dataset
    from graft.components.ingest.parts.plan import plan_ingest

    with component_step("ingest", store, name, run_id, whole=False) as record:
        settings = configure("ingest", IngestConfig, section(config, "ingest"))
        return plan_ingest(source, settings, digest, record.run, latest_dataset(record.run), parts, images)


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def ingest_part(item: str, source: str, digest: str, config: str, store: str, name: str, run_id: str) -> None:
    """Checks a part of a source's images and leaves them in the store, where ingest finds them.

    Args:
        item: The part, such as `2/7`.
        source: As ingest's.
        digest: What resolve returned.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
    """
    from graft.components.common.config import configure, section
    from graft.components.common.runs.part_record import component_part
    from graft.components.ingest.config import IngestConfig
    from graft.components.ingest.dataset.previous_dataset import latest_dataset
    from graft.components.ingest.parts.part import ingest_part as work

    with component_part("ingest", store, name, run_id, item) as part:
        settings = configure("ingest", IngestConfig, section(config, "ingest"))
        work(source, settings, digest, part, latest_dataset(part.run))
