"""How the command line ends: exit codes, and errors as one sentence."""

import errno
import tempfile

from cyclopts import CycloptsError
from pydantic import ValidationError

from graft.components.common.artifacts.outcomes.results import Outcome
from graft.components.common.errors import GateFailedError, GraftError
from graft.components.common.extras import how_to_install

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

EXIT_ERROR, EXIT_USAGE, EXIT_GATE, EXIT_CANCELLED = 1, 2, 3, 4

EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.UNCHANGED: 0,
    Outcome.GATE_FAILED: EXIT_GATE,
    Outcome.FAILED: EXIT_ERROR,
    Outcome.CANCELLED: EXIT_CANCELLED,
}


def explain(error: Exception) -> tuple[str, int] | None:
    """Returns what to tell the user about an exception, and the exit code; None for a defect of Graft's own."""
    if isinstance(error, ImportError) and isinstance(error.__cause__, ModuleNotFoundError):
        error = error.__cause__  # Cyclopts couldn't load a command, and this names the package
    match error:
        case CycloptsError():
            return f"{_usage(error)} See --help.", EXIT_USAGE
        case GateFailedError():
            return str(error), EXIT_GATE
        case GraftError():
            return str(error), EXIT_ERROR
        case ModuleNotFoundError() if not (error.name or "").startswith("graft"):
            return f"This needs {error.name}: {how_to_install(error.name or '')}.", EXIT_ERROR
        case OSError():
            return _refused_by_system(error), EXIT_ERROR
    return None


def _refused_by_system(error: OSError) -> str:
    """Returns what the system says as one sentence, with what to do about a full disk."""
    where = f": {error.filename}" if error.filename else ""
    said = f"{error.strerror}{where}" if error.strerror else f"{type(error).__name__}: {error.filename or error}"
    if error.errno in _FULL:
        return f"{said}: make room where the output, the store and TMPDIR ({tempfile.gettempdir()}) lie, or name other places."
    return f"{said}."


def _usage(error: CycloptsError) -> str:
    """Returns what is wrong with a command line as one sentence."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return f"{str(error).splitlines()[0].partition('. ')[0]}: {cause.errors()[0]['msg'].removeprefix('Value error, ')}."
    return " ".join(str(error).split())
