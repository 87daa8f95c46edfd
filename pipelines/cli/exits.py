"""Exit codes of the command line."""

from graft.components.common.runs.verdict import Outcome

EXIT_ERROR, EXIT_USAGE, EXIT_GATE, EXIT_CANCELLED, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.UNCHANGED: 0,
    Outcome.GATE_FAILED: EXIT_GATE,
    Outcome.FAILED: EXIT_ERROR,
    Outcome.CANCELLED: EXIT_CANCELLED,
}
