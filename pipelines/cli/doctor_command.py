"""The command that says what this machine, and a cluster, can do."""

import contextlib
import dataclasses
import json
import logging
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding, Look, look_at_all
from graft.components.common.messages import anonymous
from graft.pipelines.cli.exits import EXIT_ERROR
from graft.pipelines.cluster.credentials import Access
from graft.pipelines.cluster.target import Target
from graft.pipelines.local.looks import machine_looks

_NO_ACCESS = Access()
_STORE = "runs/store"  # of `graft run`


def doctor(
    *,
    weights: str = "",
    store: str = "",
    target: Target | None = None,
    profile: Path | None = None,
    access: Access = _NO_ACCESS,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Says what this machine, and with --target a cluster, can do; exit code 1 if something needed is missing.

    What it prints holds no secrets and no user's name: paste it into a report of a defect.

    Args:
        weights: Pretrained weights to look at: imagenet, random, or path or URI of a Keras weights file. If not given: whether the
            ImageNet weights can be had.
        store: Path or URI of the store to look at. If not given: runs/store, or with a target the store of its profile.
        target: A cluster to look at as well: Kubeflow Pipelines or Vertex AI.
        profile: YAML file that says where the steps run. If not given: the target's default profile.
        access: Where the cluster is, and who the user is there.
        json_output: Print JSON instead of lines.
    """
    if target:
        looks = _looks_with_cluster(weights, store, target, profile, access)
    elif profile:
        raise GraftError("--profile is of a cluster: name the --target as well, kubeflow or vertex.")
    else:
        looks = machine_looks(weights, store or _STORE, server="")
    with _unlogged():  # the findings say it all, and logs name users
        findings = look_at_all(looks)
    secrets = _secrets(access)
    told = [
        dataclasses.replace(finding, text=anonymous(finding.text, secrets), remedy=anonymous(finding.remedy, secrets))
        for finding in findings
    ]
    lacking = [finding for finding in told if finding.needed and not finding.ok]
    if json_output:
        about = {"graft": version("graft"), "ok": not lacking, "findings": list(map(dataclasses.asdict, told))}
        print(json.dumps(about, indent=2))
    else:
        _print(told, len(lacking))
    if lacking:
        sys.exit(EXIT_ERROR)


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    log = logging.getLogger("graft")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _looks_with_cluster(weights: str, store: str, target: Target, profile: Path | None, access: Access) -> list[Look]:
    # Only these need the extra `pipelines`, and that it is missing is a thing to be told.
    from graft.pipelines.cluster.connecting import Cluster
    from graft.pipelines.cluster.looks import cluster_looks
    from graft.pipelines.cluster.profile.reading import read_profile

    cluster = Cluster(**vars(access), target=target, profile=profile)
    try:
        where = read_profile(profile, target)
    except GraftError as error:  # nothing of the cluster is known then
        problem = Finding("Profile", ok=False, text=str(error))
        return [*machine_looks(weights, store, server=""), Look("Profile", lambda: problem)]
    endpoint = access.endpoint or where.kubeflow.endpoint if target == "kubeflow" else where.vertex.endpoint
    return [*machine_looks(weights, store or where.store, endpoint), *cluster_looks(cluster, where)]


def _secrets(access: Access) -> list[str]:
    """Returns what servers may repeat in their answers."""
    files = [path for path in (access.token_file, access.cookie_file) if path and path.is_file()]
    return [access.token, access.cookie, *(path.read_text(errors="replace").strip() for path in files)]


def _print(findings: list[Finding], lacking: int) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "OK" if finding.ok else "WRONG" if finding.needed else "note"
        print(f"{mark:<5}  {finding.name:<{width}}  {finding.text}")
        if finding.remedy and not finding.ok:
            print(f"{'':<{width + 9}}{finding.remedy}")
    things = "1 thing that Graft needs is" if lacking == 1 else f"{lacking} things that Graft needs are"
    needed = f"{things} missing or wrong." if lacking else "All that Graft needs is here."
    print(f"graft {version('graft')}: {needed}")
