"""Which attempts Argo makes of a node that fails (processNodeRetries of its workflow controller, release 4.0).

A step with `set_retry` brings limit and pauses of its own; what the installation's `workflowDefaults` say is merged in.
"""

import re

# What Kubeflow Pipelines' own manifests set, and what mends it.
STOCK = {"limit": "2", "retryPolicy": "OnError"}
MENDED = {
    "limit": "2",
    "retryPolicy": "Always",
    "expression": (
        "lastRetry.message != '' && ('{{inputs.parameters.retry-max-count}}' matches '^[0-9]+$' || lastRetry.status == 'Error')"
    ),
}
# How an attempt ends: its phase, and the message that Argo writes. A group has none.
ENDS = {
    "succeeded": ("Succeeded", ""),
    "exit 1": ("Failed", "Error (exit code 1)"),
    "out of memory": ("Failed", "OOMKilled (exit code 137)"),
    "timed out": ("Failed", "Pod was active on the node longer than the specified deadline"),
    "pod lost": ("Error", "pod deleted"),
    "past the deadline": ("Failed", "Error (exit code 143)"),
    "a child failed": ("Failed", ""),
}
ON_FAILED, ON_ERROR = ("Always", "OnFailure"), ("Always", "OnError")


def play(ends, defaults=None, retry=None):
    """Returns the attempts that come to pass.

    Args:
        ends: How each attempt would end and after how many seconds, first to last.
        defaults: The retry strategy of the installation's `templateDefaults`; none where it sets none.
        retry: The step's `retryPolicy` as it is compiled; none for drivers, groups and steps without.
    """
    strategy = {**(defaults or {}), **(_own(retry) if retry else {})}
    made, clock, deadline = [], 0.0, None
    for how, seconds in ends:
        if made and deadline is not None and clock + seconds > deadline:
            how, seconds = "past the deadline", deadline - clock
        made.append(how)
        clock += seconds
        phase, message = ENDS[how]
        if phase == "Succeeded" or not strategy:
            break
        if pauses := strategy.get("backoff"):
            deadline = pauses["maxDuration"]
            if pauses["factor"] != int(pauses["factor"]):  # "cannot be resolved to an int"
                break
            pause = pauses["duration"] * pauses["factor"] ** (len(made) - 1)
            if clock > deadline or clock + pause > deadline:
                break
            clock += pause
        if phase not in _retried_phases(strategy) or len(made) > int(strategy["limit"]):
            break
        if "expression" in strategy and not _holds(strategy["expression"], phase, message, retry):
            break
    return made


def _own(retry):
    seconds = {name: float(retry[name].removesuffix("s")) for name in ("backoffDuration", "backoffMaxDuration")}
    pauses = {"duration": seconds["backoffDuration"], "maxDuration": seconds["backoffMaxDuration"]}
    return {"limit": retry["maxRetryCount"], "backoff": {**pauses, "factor": retry["backoffFactor"]}}


def _retried_phases(strategy):
    policy = strategy.get("retryPolicy") or ("Always" if "expression" in strategy else "OnFailure")
    return {phase for phase, policies in (("Failed", ON_FAILED), ("Error", ON_ERROR)) if policy in policies}


def _holds(expression, phase, message, retry):
    """Evaluates the few words that the patch uses; what isn't replaced stays in its braces, as in Argo."""
    if retry:
        expression = expression.replace("{{inputs.parameters.retry-max-count}}", str(retry["maxRetryCount"]))
    expression = expression.replace("lastRetry.message", repr(message)).replace("lastRetry.status", repr(phase))
    match = re.fullmatch(r"(.+) != (.+) && \((.+) matches (.+) \|\| (.+) == (.+)\)", expression)
    left, right, text, pattern, status, wanted = (part.strip("'") for part in match.groups())
    return left != right and (re.search(pattern, text) is not None or status == wanted)
