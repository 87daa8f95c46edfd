"""What goes to a cluster: parameters that hold there, and the compiled pipeline."""

import contextlib
import dataclasses
import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from graft.components.common import storage
from graft.components.common.checks import check_all
from graft.components.common.config import section
from graft.components.common.errors import GraftError
from graft.components.common.parameters import PUBLIC_ARCHIVE, Parameters, with_name
from graft.components.common.progress import progress
from graft.components.common.runs.run import Run
from graft.components.common.steps import LAST_STEPS, LastStep
from graft.components.resolve.fingerprint import fingerprint
from graft.components.resolve.resolve import check_settings
from graft.components.train.backbones.weights import IMAGENET, NAMED, check_weights
from graft.pipelines.cluster.backend import Package
from graft.pipelines.cluster.profile.fields import Profile
from graft.pipelines.cluster.profile.images import pinned_images, unknown_images
from graft.pipelines.cluster.target import TargetOptions

log = logging.getLogger("graft")

IN_THE_IMAGE = "/opt/weights/"
"""Where images built for clusters without internet hold weights."""


@contextlib.contextmanager
def packaged(profile: Profile, where: TargetOptions) -> Iterator[Package]:
    """Compiles the pipeline for as long as it takes to hand it over.

    Yields:
        The compiled pipeline.
    """
    from graft.pipelines.cluster.compiling import (  # kfp: half a second that --help needn't take
        compile_pipeline,
        content_name,
    )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        images = pinned_images(profile, where.profile, allow_tag=where.allow_tag)
        for image in unknown_images(images):
            log.warning(
                "the registry has no %s: push it by `make push`, or name another; a step on it can't start", image
            )
        compile_pipeline(profile, images, where.target, path)
        yield Package(path, content_name(path))


def run_parameters(given: Parameters, profile: Profile, *, upload: bool) -> Parameters:
    """Returns the pipeline's parameters, checked as far as can be from here.

    Args:
        given: What the user asked for.
        profile: The profile, for the store.
        upload: Copy local sources and weights into the store.

    Raises:
        GraftError: A setting is wrong, a path or URI would not do on a cluster, or the copy failed.
    """
    given = with_name(given)
    store = given.store or profile.store
    source, weights = given.source or PUBLIC_ARCHIVE, given.weights or IMAGENET
    named = [("--store", store), ("--source", source), ("--weights", weights)]
    named += [(option, uri) for option in ("config", "recipe") for uri in storage.uris_in_text(getattr(given, option))]
    local = {
        option: path
        for option, path in (("source", source), ("weights", weights))
        if path not in NAMED and not path.startswith(IN_THE_IMAGE) and _is_local(path)
    }
    checks: list[Callable[[], object]] = [
        lambda: check_settings(given),
        lambda: Run(store, given.name, "run"),
        lambda: _check_corrections(given.config),
        *(partial(_check_seen, option, uri) for option, uri in named),
        lambda: _check_store(store, needed=bool(local) and upload),
        lambda: _check_fan_out(profile, store),
        *(partial(_check_last_step, step, store) for step in LAST_STEPS if getattr(profile, step)),
        *(partial(_check_local, option, path, upload) for option, path in local.items()),
    ]
    check_all(checks)
    if not store:
        log.warning(
            "no store is named: the run leaves no record, so a gate that did not pass looks like any other error"
        )
    there = {option: _upload(path, store) for option, path in local.items()}
    inputs = {"source": source, "weights": weights, **there}
    return dataclasses.replace(given, source=inputs["source"], weights=inputs["weights"], store=store)


def _check_seen(option: str, uri: str) -> None:
    """Refuses what would show a secret."""
    if storage.redact(uri) != uri or uri.endswith(storage.SUFFIX):
        raise GraftError(
            f"{option} {storage.redact(uri)} holds a user name, password or query string, which everyone would see among the "
            "run's parameters: leave it out, and grant the steps' service account the right to read it."
        )


def _check_store(store: str, *, needed: bool) -> None:
    if needed and not store:
        raise GraftError("--upload needs a store to copy to: name a bucket with --store.")
    if store and _is_local(store):
        raise GraftError(
            f"--store {store} is on this machine: name a bucket that the cluster reaches, such as gs://my-bucket/store."
        )


def _check_fan_out(profile: Profile, store: str) -> None:
    if profile.fan_out and not store:
        raise GraftError(
            "fan_out in the profile needs a store, in which the parts leave their work: name a bucket with --store, or in the profile."
        )


def _check_corrections(config: str) -> None:
    named = section(config, "ingest").get("corrections")
    if isinstance(named, str) and named and _is_local(named):
        raise GraftError(
            f"The corrections {named} are on this machine, which the cluster can't reach: copy them to a bucket, and name their URI in "
            "--config. Each run reads them anew."
        )


def _check_last_step(step: LastStep, store: str) -> None:
    if not store:
        raise GraftError(
            f"{step} in the profile is about the versions in a store: name a bucket with --store, or in the profile."
        )


def _check_local(option: str, path: str, upload: bool) -> None:
    """Refuses what is on this machine and can't be, or is not to be, copied into the store."""
    if not upload:
        raise GraftError(
            f"--{option} {path} is on this machine, which the cluster can't reach: name a URI, or copy it into the store with --upload."
        )
    if option == "weights":
        check_weights(path)
    else:
        storage.stat(path)


def run_title(name: str) -> str:
    """Returns a name for a run that no other has."""
    return f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S} {secrets.token_hex(3)}"


def _is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith(("file://", "local://"))


def _upload(path: str, store: str) -> str:
    """Copies a local file or folder into the store, under its content, once."""
    local = storage.local_path(path) or Path(path)
    folder = f"{store.rstrip('/')}/uploads/{fingerprint(path)}"
    target, done = f"{folder}/{local.name}", f"{folder}/.uploaded"
    if storage.exists(done):
        log.info("%s is in the store already", path)
        return target
    files = storage.list(path)
    with progress(f"copying {local.name} to the store", len(files), "files") as advance:
        for file in files:
            storage.put(local / file.path, f"{target}/{file.path}" if file.path else target)
            advance(1)
    storage.write(done, b"")
    return target
