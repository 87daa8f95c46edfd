"""Whether a run is being cancelled: Kubeflow tells its exit tasks only that something went wrong, and its API the rest."""

import json
import logging
import os
from collections.abc import Sequence

from graft.components.common.errors import GraftError
from graft.components.common.storage import Reach
from graft.components.common.storage.web.client import read

log = logging.getLogger("graft")

IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
"""Where pods of the cluster find the API."""

_FINAL = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
_MOST_BYTES = 64 * 2**20


def is_cancel(states: Sequence[str | None]) -> bool:
    """Tells whether a run's last attempt was cancelled, which Kubeflow in the end calls failed.

    Args:
        states: The run's states, the oldest first.
    """
    going = [state for state in states if state and state not in _FINAL]
    return bool(going) and going[-1] == "CANCELING"


def asked_if_cancelled(run_id: str) -> bool | None:
    """Asks Kubeflow, from a pod of its cluster, whether a run is being cancelled; None where it doesn't tell.

    An installation of several users tells steps nothing.

    Args:
        run_id: The run's identifier.
    """
    if "KUBERNETES_SERVICE_HOST" not in os.environ:  # which every pod of a cluster has
        return None
    try:
        run = json.loads(read(f"{IN_CLUSTER}/apis/v2beta1/runs/{run_id}", Reach.ANY, _MOST_BYTES))
        history = [entry.get("state") for entry in run.get("state_history") or []]
        return is_cancel([*history, run["state"]])
    except (GraftError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.info("whether somebody cancelled the run is unknown: Kubeflow doesn't tell (%s)", type(error).__name__)
        return None
