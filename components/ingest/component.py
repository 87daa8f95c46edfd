"""The ingest step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def ingest(
    source: str,
    digest: str,
    config: str,
    store: str,
    name: str,
    run_id: str,
    dataset: dsl.Output[dsl.Dataset],
) -> None:
    """Decodes and checks every image of a source and writes a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz of images.
        digest: What resolve returned; it makes a step cache miss when the source has changed.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store; empty for none.
        name: The model's name.
        run_id: Identifier of the run.
        dataset: The Dataset: record, index and shards.
    """
    from pathlib import Path

    from graft.components.common.config import configure, section
    from graft.components.common.runs import component_step
    from graft.components.ingest.config import IngestConfig
    from graft.components.ingest.ingest import ingest as run_step

    with component_step("ingest", store, name, run_id) as record:
        settings = configure("ingest", IngestConfig, section(config, "ingest"))
        result = run_step(source, Path(dataset.path), settings, digest)
        record.outcome = result
    dataset.metadata.update({"digest": result.digest, "counts": result.counts, "excluded": result.excluded})
