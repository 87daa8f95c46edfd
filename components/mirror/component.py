"""The mirror step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def mirror(config: str, store: str, name: str, run_id: str) -> None:
    """Copies what a model's registry says to another registry. One that can't be reached is caught up later, and fails no run.

    Args:
        config: JSON of the settings: the section `mirror` of a profile.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
    """
    import json

    from graft.components.common.config import configure
    from graft.components.common.registry.registry import Registry
    from graft.components.common.runs.step_record import component_step
    from graft.components.mirror.config import MirrorConfig
    from graft.components.mirror.mirror import mirror as run_step

    with component_step("mirror", store, name, run_id) as record:
        settings = configure("mirror", MirrorConfig, json.loads(config))
        record.outcome = run_step(Registry(store, name), settings)
