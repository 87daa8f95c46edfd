"""The commands that bring a model into traffic."""

import dataclasses
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from graft.components.common.artifacts.signing.keys import verifying
from graft.components.common.config import configure
from graft.components.common.registry.registry import Registry
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.deploy import deploy as deploy_step
from graft.components.deploy.deploy import promote as promote_canary
from graft.components.deploy.deploy import roll_back, would_deploy
from graft.components.deploy.opening import open_target
from graft.components.deploy.status import deploy_status
from graft.components.deploy.targets.target import Target
from graft.pipelines.cli.exits import EXIT_ERROR
from graft.pipelines.cli.models.profiles import named_registry, profile_at
from graft.pipelines.cli.options import given, options_over
from graft.pipelines.cli.output import print_table

DeployOptions = options_over(DeployConfig, "the profile")

deploy = App(name="deploy", help="Brings what the registry calls the latest version of a model into traffic.")


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class Place:
    """Where a model is served.

    Attributes:
        store: Path or URI of the store; if not given, that of the profile.
        profile: YAML file of a profile, whose section `deploy` has the settings. Options win over it.
        verify_key: File of the public keys, one of which must have signed the version and latest.json; if not given, those of the
            profile, or what GRAFT_VERIFY_KEY names.
        settings: Settings that win over the profile's.
    """

    store: str = ""
    profile: Path | None = None
    verify_key: str = ""
    settings: DeployOptions = DeployOptions()  # type: ignore[valid-type]  # noqa: RUF009 (frozen)

    @property
    def is_told(self) -> bool:
        """Whether anything is said about it."""
        return bool(self.profile or given(self.settings))

    def registry(self, name: str) -> Registry:
        """Returns the registry of the model.

        Raises:
            GraftError: No store is named.
        """
        return named_registry(name, self.store, profile_at(self.profile))

    def verifying(self) -> AbstractContextManager[None]:
        """Has this process verify by the public keys that are named here, if any are.

        Raises:
            GraftError: The keys can't be read, or are no Ed25519 keys.
        """
        return verifying(self.verify_key or profile_at(self.profile).verify_key)

    def config(self) -> DeployConfig:
        """Returns the settings.

        Raises:
            GraftError: They can't be.
        """
        section = profile_at(self.profile).deploy
        return configure("deploy", DeployConfig, dataclasses.asdict(section) if section else {}, given(self.settings))

    def target(self, name: str) -> Target:
        """Returns the place, which is not asked anything yet.

        Raises:
            GraftError: The settings can't be.
        """
        return open_target(self.config(), name)


NO_PLACE = Place()


@deploy.default
def deploy_(name: str, /, *, place: Place = NO_PLACE, dry_run: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Brings what the registry calls the latest version of a model into traffic. Where it is there already, nothing changes.

    Args:
        name: The model's name.
        place: Where it is served.
        dry_run: Only print what would be done; for KServe, the manifest.
    """
    registry, target, canary = place.registry(name), place.target(name), place.config().canary
    with place.verifying():
        if dry_run:
            print(would_deploy(registry, target, canary))
        else:
            print(deploy_step(registry, target, canary).summary)


@deploy.command
def status(name: str, /, *, place: Place = NO_PLACE) -> None:
    """Shows which versions are where, against what the registry says; exit code 1 if they don't agree.

    Args:
        name: The model's name.
        place: Where it is served.
    """
    with place.verifying():
        seen = deploy_status(place.registry(name), place.target(name))
    table = Table("place", "version", "traffic", "state", box=None)
    for row in seen.rows:
        table.add_row(*row)
    if seen.rows:
        print_table(table)
    print(seen.text)
    if not seen.agrees:
        sys.exit(EXIT_ERROR)


@deploy.command
def promote(name: str, /, *, place: Place = NO_PLACE) -> None:
    """Gives a canary all traffic, if it still is the latest version.

    Args:
        name: The model's name.
        place: Where it is served.
    """
    with place.verifying():
        print(promote_canary(place.registry(name), place.target(name)).summary)


@deploy.command
def rollback(name: str, /, *, place: Place = NO_PLACE) -> None:
    """Takes the traffic of a canary away. The registry is not changed: graft registry rollback withdraws the version.

    Args:
        name: The model's name.
        place: Where it is served.
    """
    registry = place.registry(name)
    with place.verifying():
        print(roll_back(registry, place.target(name)).summary)
    print(
        f"The registry still calls the canary the latest version, and graft deploy would bring it again. To withdraw it: "
        f"{registry.command('rollback', '--reason', 'WHY')}"
    )
