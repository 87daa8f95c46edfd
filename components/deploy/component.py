"""The deploy step as a Kubeflow component."""

from kfp import dsl


@dsl.component(base_image="graft:cpu", install_kfp_package=False)
def deploy(config: str, store: str, name: str, run_id: str) -> None:
    """Brings the latest version of a model into traffic. Where it is there already, nothing changes.

    Args:
        config: JSON of the settings: the section `deploy` of a profile.
        store: Path or URI of the store.
        name: The model's name.
        run_id: Identifier of the run.
    """
    import json

    from graft.components.common.artifacts.outcomes.last_step_results import DeployResult
    from graft.components.common.config import configure
    from graft.components.common.registry.registry import Registry
    from graft.components.common.runs.step_record import component_step
    from graft.components.deploy.config import DeployConfig
    from graft.components.deploy.deploy import deploy as run_step
    from graft.components.deploy.opening import open_target

    with component_step("deploy", store, name, run_id) as record:
        settings = configure("deploy", DeployConfig, json.loads(config))
        registry, target = Registry(store, name), open_target(settings, name)
        if registry.latest().version:
            record.outcome = run_step(registry, target, settings.canary)
        else:  # the run did what it was asked to, and a person has still to promote
            record.outcome = DeployResult(where=target.where, version="", percent=0, changed=False)
