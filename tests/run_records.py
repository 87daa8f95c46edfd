"""Records of runs that got so far, for tests of what reads them."""

from graft.components.common.errors import GateFailedError, GraftError
from graft.components.common.runs.step_record import STEPS, recorded
from graft.components.common.runs.verdict import UNCHANGED
from graft.components.evaluate.evaluate import EvaluateResult
from graft.components.gate.gate import Decision
from graft.components.resolve.resolve import ResolveResult

_FIGURES = {"accuracy": 0.87, "accuracy_interval": (0.85, 0.89), "auc": 0.95}
_COMPARISONS = {"champion": None, "anchor": None}
EVALUATED = EvaluateResult("", "validation", 1000, _FIGURES, _COMPARISONS, False, ["cats", "dogs"])
ENDINGS = {
    "success": {},
    "unchanged": {"until": "resolve", "digest": UNCHANGED},
    "gate": {"until": "gate", "error": GateFailedError("accuracy 0.87 is below 0.9", Decision("", False, []))},
    "error": {"until": "ingest", "error": GraftError("photos.zip is empty")},
    "killed": {"until": "ingest"},
}


def leave_records(run, *, until="export", error=None, digest="0123", resolved=None):
    """Leaves the records of a run that got so far."""
    for step in STEPS[: STEPS.index(until) + 1]:
        try:
            with recorded(step, run) as kept:
                if step == "resolve":
                    kept.outcome = resolved or ResolveResult(digest, "photos.zip")
                elif step == "evaluate":
                    kept.outcome = EVALUATED
                if step == until and error:
                    raise error
        except GraftError:
            assert step == until
