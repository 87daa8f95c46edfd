"""The pipeline's components called one after the other in this process, which imports TensorFlow once for all of them and all runs."""

import inspect
import logging
from types import SimpleNamespace
from typing import get_args

from graft.components.common.artifacts.outcomes.results import UNCHANGED
from graft.pipelines.training import PARTS, Deployment, evaluate, export, gate, ingest, notify, resolve, train

log = logging.getLogger("graft")


def run_in_process(run, folder, parameters, parts=0):
    """Runs the pipeline; the run's records say how it ended.

    Args:
        run: The run, with its store.
        folder: Where the artifacts go.
        parameters: The pipeline's parameters; store and name are the run's.
        parts: How many parts share the work of a step, the last one first; 0 for none.
    """
    known = vars(Deployment()) | vars(parameters) | vars(run) | {"status": SimpleNamespace(state="SUCCEEDED")}

    def call(step):
        wanted = inspect.signature(step.python_func).parameters
        for name in step.component_spec.outputs or {}:
            if name in wanted:  # a single value that is returned is called Output
                path = folder / step.name / name
                path.parent.mkdir(parents=True, exist_ok=True)
                kind, _ = get_args(wanted[name].annotation)
                known[name] = kind(name=name, uri=str(path))
        return step.python_func(**{name: known[name] for name in wanted})

    try:
        known["digest"] = call(resolve)
        if known["digest"] != UNCHANGED:
            for step in (ingest, train, evaluate, gate, export):
                if parts and step.name in PARTS:
                    plan, part = PARTS[step.name]
                    known |= {"parts": parts, "images": 1}
                    for known["item"] in reversed(call(plan)):
                        call(part)
                call(step)
    except SystemExit as ended:
        log.warning("%s", ended)
        known["status"].state = "FAILED"
    call(notify)
