"""The gate step: every rule with its threshold, its value and its outcome."""

import dataclasses
import math
from pathlib import Path

from graft.components.common.errors import GateFailedError
from graft.components.common.records import new_artifact, read_record, write_record
from graft.components.gate.config import GateConfig

RECORD = "decision.json"


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule of the gate and how it went.

    Attributes:
        rule: The rule's name, as in the settings.
        threshold: What was asked.
        value: What the evaluation found, or None where it found no number.
        passed: Whether the value is good enough; no number never is.
    """

    rule: str
    threshold: float
    value: float | None
    passed: bool


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
        return f"{'passed' if self.passed else 'failed'}: " + ", ".join(_sentence(rule) for rule in shown)


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
    with new_artifact(output, RECORD):
        rules = [_at_least("min_accuracy", config.min_accuracy, evaluated["metrics"].get("accuracy"))]
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


def _at_least(rule: str, threshold: float, value: float | None) -> Rule:
    number = value if value is not None and math.isfinite(value) else None
    return Rule(rule, threshold, number, number is not None and number >= threshold)


def _sentence(rule: Rule) -> str:
    value = "(missing)" if rule.value is None else f"{rule.value:.4f}"
    metric = rule.rule.removeprefix("min_")
    return f"{metric} {value} {'meets' if rule.passed else 'is below'} the required {rule.threshold:g}"
