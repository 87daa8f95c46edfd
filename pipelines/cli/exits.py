"""How the command line ends: exit codes, and errors as one sentence."""

from cyclopts import CycloptsError
from pydantic import ValidationError

from graft.components.common.artifacts.results import Outcome
from graft.components.common.errors import GateFailedError, GraftError

EXIT_ERROR, EXIT_USAGE, EXIT_GATE, EXIT_CANCELLED, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.UNCHANGED: 0,
    Outcome.GATE_FAILED: EXIT_GATE,
    Outcome.FAILED: EXIT_ERROR,
    Outcome.CANCELLED: EXIT_CANCELLED,
}


def explain(error: BaseException) -> tuple[str, int] | None:
    """Returns what to tell the user about an exception, and the exit code; None for a defect of Graft's own."""
    # Cyclopts raises a plain ImportError from the one that names the package.
    missing = error.__cause__ if isinstance(error.__cause__, ModuleNotFoundError) else error
    match missing:
        case CycloptsError():
            return f"{_usage(missing)} See --help.", EXIT_USAGE
        case GateFailedError():
            return str(missing), EXIT_GATE
        case GraftError():
            return str(missing), EXIT_ERROR
        case ModuleNotFoundError() if not (missing.name or "").startswith("graft"):
            return f"This needs {missing.name}: install graft[pipelines]; the images run single steps.", EXIT_ERROR
        case OSError():
            return f"{missing.strerror or type(missing).__name__}: {missing.filename or missing}.", EXIT_ERROR
        case KeyboardInterrupt():
            return "Interrupted; unfinished output was removed.", EXIT_INTERRUPTED
    return None


def _usage(error: CycloptsError) -> str:
    """Returns what is wrong with a command line as one sentence."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return f"{str(error).splitlines()[0].partition('. ')[0]}: {cause.errors()[0]['msg'].removeprefix('Value error, ')}."
    return " ".join(str(error).split())
