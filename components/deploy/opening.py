"""Which target a configuration means."""

from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install
from graft.components.common.findings import Finding
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.target import Target


def open_target(config: DeployConfig, name: str) -> Target:
    """Returns the place that serves a model, which is not asked anything yet. What a target needs is imported for it alone.

    Args:
        config: Says where.
        name: The model's name.

    Raises:
        GraftError: What the target needs is not installed, or a setting can't be.
    """
    if config.target == "folder":
        from graft.components.deploy.targets.folder import Folder

        return Folder(config, name)
    if config.target == "vertex":
        try:
            from graft.components.deploy.targets.vertex import open_vertex
        except ImportError as error:
            raise GraftError(f"Vertex needs its client: {how_to_install('google.cloud.aiplatform')}.") from error
        return open_vertex(config, name)
    try:
        from graft.components.deploy.targets.kserve import KServeTarget
    except ImportError as error:
        raise GraftError(f"KServe needs the client of Kubernetes: {how_to_install('kubernetes')}.") from error
    return KServeTarget(name, config)


def look_at_target(config: DeployConfig) -> Finding:
    """Tells whether a target answers whoever asks. The account of the steps may have other rights.

    Args:
        config: Says where.
    """
    target = open_target(config, "model")
    target.look()
    return Finding("Deploy", ok=True, text=f"{target.where} can be looked at", needed=False)
