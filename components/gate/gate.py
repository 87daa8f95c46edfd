"""The gate step: whether an evaluated model may be published, and every rule that decided it."""

import dataclasses
from pathlib import Path

from graft.components.common.artifacts.records import new_artifact, read_record, write_record
from graft.components.common.errors import GateFailedError, GraftError
from graft.components.gate.config import GateConfig
from graft.components.gate.rules import Rule, judge

RECORD = "decision.json"


@dataclasses.dataclass(frozen=True)
class Decision:
    """What the gate decided.

    Attributes:
        path: The Decision's directory.
        passed: Whether every rule passed.
        rules: The rules.
    """

    path: str
    passed: bool
    rules: list[Rule]

    @property
    def summary(self) -> str:
        """One line for people: the rules that failed, or all of them."""
        shown = [rule for rule in self.rules if not rule.passed] or self.rules
        return f"{'passed' if self.passed else 'failed'}: " + "; ".join(rule.sentence for rule in shown)


def gate(evaluation: Path, output: Path, config: GateConfig = GateConfig()) -> Decision:  # noqa: B008 (frozen)
    """Decides whether an evaluated model may be published.

    Args:
        evaluation: An Evaluation's directory.
        output: Directory for the Decision, which is written whatever the outcome.
        config: The rules' thresholds.

    Raises:
        GateFailedError: A rule failed; the Decision is written all the same.
        GraftError: The evaluation can't be read.
    """
    evaluated = read_record(evaluation, "evaluation.json")
    if missing := [name for name in ("model_digest", "dataset_digest", "split") if name not in evaluated]:
        raise GraftError(f"{evaluation / 'evaluation.json'} is damaged (it has no {missing[0]}): evaluate again.")
    with new_artifact(output, RECORD):
        rules = list(judge(evaluated, config))
        decision = Decision(str(output), all(rule.passed for rule in rules), rules)
        write_record(
            output / RECORD,
            {
                "passed": decision.passed,
                "rules": [dataclasses.asdict(rule) for rule in rules],
                "model_digest": evaluated["model_digest"],
                "dataset_digest": evaluated["dataset_digest"],
                "split": evaluated["split"],
            },
        )
    if not decision.passed:
        raise GateFailedError(f"the gate {decision.summary}; nothing is exported.", decision)
    return decision
