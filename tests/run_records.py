"""Records of runs that got so far, for tests of what reads them."""

from support import ROOT

from graft.components.common.artifacts.evaluation import Comparisons, Evaluation
from graft.components.common.artifacts.outcomes.results import UNCHANGED, EvaluateResult, GateResult, ResolveResult
from graft.components.common.artifacts.record import SCHEMA_VERSION
from graft.components.common.errors import GateFailedError, GraftError
from graft.components.common.runs.step_record import recorded
from graft.components.common.steps import STEPS

_TODAY = ROOT / f"tests/fixtures/schema_{SCHEMA_VERSION}"
METRICS = Evaluation.load(_TODAY / "lineage").metrics.model_copy(
    update={"accuracy": 0.87, "accuracy_interval": (0.85, 0.89), "auc": 0.95}
)
EVALUATED = EvaluateResult(
    path="",
    split="validation",
    images=1000,
    metrics=METRICS,
    comparisons=Comparisons(champion=None, anchor=None),
    selected_on_split=False,
    classes=("cats", "dogs"),
)
ENDINGS = {
    "success": {},
    "unchanged": {"until": "resolve", "digest": UNCHANGED},
    "gate": {
        "until": "gate",
        "error": GateFailedError("accuracy 0.87 is below 0.9", GateResult(path="", passed=False, rules=())),
    },
    "error": {"until": "ingest", "error": GraftError("photos.zip is empty")},
    "killed": {"until": "ingest"},
}


def leave_records(run, *, until="export", error=None, digest="0123", resolved=None, last_steps=()):
    """Leaves the records of a run that got so far."""
    steps = (*STEPS, *last_steps)
    for step in steps[: steps.index(until) + 1]:
        try:
            with recorded(step, run) as kept:
                if step == "resolve":
                    kept.outcome = resolved or ResolveResult(digest=digest, source="photos.zip", last_steps=last_steps)
                elif step == "evaluate":
                    kept.outcome = EVALUATED
                if step == until and error:
                    raise error
        except GraftError:
            assert step == until
