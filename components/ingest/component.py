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
    report: dsl.Output[dsl.HTML],
) -> None:
    """Decodes and checks every image of a source and writes a Dataset.

    Args:
        source: Path or URI of a folder, zip, tar or tar.gz of images, or of a manifest.
        digest: What resolve returned: it stands for the source, settings and images of this run.
        config: JSON of further settings, a section a step.
        store: Path or URI of the store, which keeps the images; empty for none. What the name's last Dataset has is not
            checked again.
        name: The model's name.
        run_id: Identifier of the run.
        dataset: The Dataset: record, index, report, and the images unless a store keeps them.
        report: What the dataset holds and what was left out, for the run's page.
    """
    import shutil
    from pathlib import Path

    from graft.components.common.config import configure, section
    from graft.components.common.runs.step_record import component_step
    from graft.components.ingest.config import IngestConfig
    from graft.components.ingest.dataset.previous_dataset import latest_dataset
    from graft.components.ingest.ingest import REPORT
    from graft.components.ingest.ingest import ingest as run_step

    with component_step("ingest", store, name, run_id) as record:
        settings = configure("ingest", IngestConfig, section(config, "ingest"))
        previous = latest_dataset(record.run)
        result = run_step(source, Path(dataset.path), settings, digest, record.run, previous)
        record.outcome = result
    shutil.copyfile(Path(dataset.path) / REPORT, report.path)
    dataset.metadata.update({"digest": result.digest, "counts": result.counts, "excluded": result.excluded})
