"""The commands about a model's published versions."""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.table import Table

from graft.components.common import storage
from graft.components.common.artifacts.latest import Latest
from graft.components.common.artifacts.signing.keys import verify_keys, verifying
from graft.components.common.errors import GraftError
from graft.components.common.escaping import escaped
from graft.components.common.progress import progress
from graft.components.common.registry.registry import Registry
from graft.components.common.registry.versions import Versions, models_in
from graft.components.deploy.deploy import deploy as deploy_step
from graft.pipelines.cli.exits import EXIT_ERROR
from graft.pipelines.cli.models.deploy_commands import NO_PLACE, Place
from graft.pipelines.cli.output import print_table

log = logging.getLogger("graft")

registry = App(name="registry", help="Lists, publishes, promotes and withdraws the versions of a model.")
registry.command(
    "graft.pipelines.cli.models.mirror_command:mirror",
    help="Brings another registry up to date with all that this one says of a model: MLflow's or Vertex's.",
)


def _opened(store: str, name: str) -> Registry:
    """Opens a registry in a store that is there: in a misspelt one, nothing would be held or deleted without a word."""
    storage.stat(store)
    return Registry(store, name)


def _say(opened: Registry, latest: Latest) -> None:
    held = f", on hold ({latest.hold.reason})" if latest.hold else ""
    print(f"{opened.name}: the latest version is {latest.version or 'none'}{held}")


@registry.command(name="list")
def list_(name: str = "model", /, *, store: str) -> None:
    """Lists the versions of a model, the newest first.

    Args:
        name: The model's name.
        store: Path or URI of the store.
    """
    opened = Registry(store, name)
    whole, latest = opened.versions.finished(), opened.latest()
    table = Table("version", "published", "accuracy", "state", box=None)
    with progress("reading versions", len(whole), "versions") as advance:
        for version in sorted(whole, key=lambda version: whole[version], reverse=True):
            published = datetime.fromtimestamp(whole[version], UTC).strftime("%Y-%m-%d %H:%M UTC")
            table.add_row(version[:12], published, *_became(opened.versions, version, latest))
            advance(1)
    if whole:
        print_table(table)
    else:
        print(f"{opened.folder} has no versions yet. {models_in(store)}")
    if latest.hold:
        print(escaped(f"on hold since {latest.hold.time}: {latest.hold.reason}"))


def _became(versions: Versions, version: str, latest: Latest) -> tuple[str, str]:
    """Returns a version's accuracy and state; where its records are damaged, the accuracy alone is unknown."""
    about = None
    try:
        about = versions.about(version)
    except GraftError as error:  # the others are to be seen all the same
        log.warning("%s", error)
    return f"{about.accuracy:.2%}" if about else "unknown", latest.state(version, about)


@registry.command
def show(name: str = "model", version: str = "", /, *, store: str) -> None:
    """Shows a version: its location, accuracy and history.

    Args:
        name: The model's name.
        version: The version, or how its name begins; the latest if not given.
        store: Path or URI of the store.
    """
    opened = Registry(store, name)
    latest = opened.latest()
    chosen = opened.versions.find(version) if version else latest.version
    if not chosen:
        raise GraftError(f"{opened.folder} has no latest version: name one of graft registry list. {models_in(store)}")
    about = opened.versions.about(chosen)
    rows = {"version": about.version, "at": opened.versions.uri(about.version), "model": about.model_digest}
    rows["accuracy"] = f"{about.accuracy:.2%}"
    for entry in latest.history:
        if entry.about.version == about.version:
            rows[f"promoted {entry.time}"] = f"by a {entry.by}"
    if note := latest.withdrawn.get(about.version):
        rows[f"withdrawn {note.time}"] = note.reason
    elif latest.withdraws(about):
        rows["withdrawn"] = "as another version with the same model"
    rows["is the latest"] = "yes" if about.version == latest.version else "no"
    for field, value in rows.items():
        print(f"{field:<36} {value}")


@registry.command
def promote(name: str, version: str, /, *, store: str, withdrawn: bool = False) -> None:
    """Makes a version the latest, without a comparison.

    Args:
        name: The model's name.
        version: The version, or how its name begins.
        store: Path or URI of the store.
        withdrawn: Promote it even if it was withdrawn.
    """
    opened = Registry(store, name)
    _say(opened, opened.promote(version, withdrawn=withdrawn))


@registry.command
def rollback(
    name: str,
    version: str = "",
    /,
    *,
    reason: str,
    deploy: Annotated[bool, Parameter(negative="")] = False,
    place: Place = NO_PLACE,
) -> None:
    """Withdraws the latest version, so that no pipeline promotes it again, and goes back to an earlier one.

    Args:
        name: The model's name.
        version: The version to go back to, or how its name begins; the one before if not given.
        reason: The reason, kept with the version.
        deploy: Bring the earlier version into traffic as well, in place of the one that is withdrawn.
        place: Where the model is served, if it is to be deployed.
    """
    if place.is_told and not deploy:
        raise GraftError("Settings of graft deploy are given: add --deploy, or leave them out.")
    opened = place.registry(name)
    target = place.target(name) if deploy else None
    with place.verifying():
        _say(opened, opened.rollback(reason, version))
        if target:
            print(deploy_step(opened, target).summary)


@registry.command
def hold(name: str, /, *, store: str, reason: str) -> None:
    """Holds the latest version: pipelines still publish, but promote nothing.

    Args:
        name: The model's name.
        store: Path or URI of the store.
        reason: The reason, shown by `graft registry` and by runs that don't promote.
    """
    opened = _opened(store, name)
    _say(opened, opened.hold(reason))


@registry.command
def release(name: str, /, *, store: str) -> None:
    """Ends a hold.

    Args:
        name: The model's name.
        store: Path or URI of the store.
    """
    opened = _opened(store, name)
    _say(opened, opened.release())


@registry.command
def publish(name: str, export: Path, /, *, store: str) -> None:
    """Publishes an Export as a version, without making it the latest.

    Args:
        name: The model's name.
        export: The Export's folder.
        store: Path or URI of the store.
    """
    opened = Registry(store, name)
    print(opened.versions.uri(opened.publish(export)))


@registry.command
def prune(
    name: str, /, *, store: str, keep: Annotated[int, Parameter(validator=Number(gte=1))] = 10, dry_run: bool = False
) -> None:
    """Deletes old versions. The newest, the latest, and the one that a rollback would return to stay.

    Args:
        name: The model's name.
        store: Path or URI of the store.
        keep: How many of the newest versions stay.
        dry_run: Print what would be deleted, and delete nothing.
    """
    gone = _opened(store, name).prune(keep, dry_run=dry_run)
    for version in gone:
        print(version)
    print(f"{len(gone):,} versions {'would be deleted' if dry_run else 'deleted'}.")


@registry.command
def sign(
    name: str, version: str = "", /, *, store: str, above: Annotated[int, Parameter(validator=Number(gte=0))] = 0
) -> None:
    """Signs what was published without a signature, or by an earlier key, because you know that it is right.

    Args:
        name: The model's name.
        version: The version to sign, or how its name begins; if not given, latest.json and all versions that were promoted and not
            withdrawn.
        store: Path or URI of the store.
        above: A counter of latest.json that was seen somewhere. What is there is taken for right all the same, and gets a higher one.
    """
    opened = Registry(store, name)
    signed = opened.sign(version, above)
    for one in signed:
        print(opened.versions.uri(one))
    print(f"{len(signed):,} versions signed.")
    _say(opened, opened.latest())


@registry.command
def verify(name: str = "model", /, *, store: str, verify_key: str = "") -> None:
    """Checks every file of every version against its checksums, and these against their signatures; exit code 1 if one is wrong.

    Args:
        name: The model's name.
        store: Path or URI of the store.
        verify_key: File of the public keys, one of which must have signed each version and latest.json; if not given: what
            GRAFT_VERIFY_KEY names. Without either no signature is checked.
    """
    opened = Registry(store, name)
    with verifying(verify_key):
        problems = opened.verify()
        signed = ", and signed" if verify_keys() else ""
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(EXIT_ERROR)
    if not (whole := opened.versions.finished()):
        raise GraftError(f"{opened.folder} has no versions: check the name and the store. {models_in(store)}")
    print(f"{len(whole):,} versions of {name}: every file is as published{signed}.")
