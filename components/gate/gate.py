"""The gate step: whether an evaluated model may be published, and every rule that decided it."""

from pathlib import Path

from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.decision import Decision
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.outcomes.results import GateResult
from graft.components.common.errors import GateFailedError
from graft.components.gate.config import GateConfig
from graft.components.gate.rules import judge


def gate(evaluation: Path, output: Path, config: GateConfig = GateConfig()) -> GateResult:  # noqa: B008 (frozen)
    """Decides whether an evaluated model may be published.

    >>> result = gate(evaluation, folder / "decision", GateConfig(min_accuracy=0.05))
    >>> result.passed
    True
    >>> [rule.rule for rule in result.rules]
    ['min_accuracy', 'max_regression_champion', 'max_regression_anchor']
    >>> result.rules[1].sentence
    'no champion yet'

    Args:
        evaluation: An Evaluation's directory.
        output: Directory for the Decision, which is written whatever the outcome.
        config: The rules' thresholds.

    Raises:
        GateFailedError: A rule failed; the Decision is written all the same.
        GraftError: The evaluation is unfinished, damaged or another Graft's; there is no Decision then.
    """
    evaluated = Evaluation.load(evaluation)
    with new_artifact(output, Decision.FILE):
        rules = tuple(judge(evaluated, config))
        decision = Decision(
            passed=all(rule.passed for rule in rules),
            rules=rules,
            model_digest=evaluated.model_digest,
            dataset_digest=evaluated.dataset_digest,
            split=evaluated.split,
        )
        decision.write(output)
    result = GateResult(path=str(output), passed=decision.passed, rules=rules)
    if not result.passed:
        raise GateFailedError(f"the gate {result.summary}; nothing is exported.", result)
    return result
