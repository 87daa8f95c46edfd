"""Asking a SavedModel once, in a process of its own: one that makes TensorFlow crash ends nothing else.

    python -m graft.components.common.serving.asking FOLDER <request.json >response.json

FOLDER is the SavedModel's. The request and the answer are those of TensorFlow Serving's REST interface.
"""

import subprocess
import sys
from pathlib import Path

from graft.components.common.artifacts.signing.keys import without_signing_key
from graft.components.common.errors import GraftError

_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def ask_saved_model(folder: Path, request: bytes, seconds: float) -> bytes:
    """Returns the body that a SavedModel answers to a request, as a server would give it.

    Args:
        folder: The SavedModel's directory.
        request: The request's body.
        seconds: How long it may take, loading included.

    Raises:
        GraftError: It can't be loaded, doesn't take the request, crashes or takes too long.
    """
    command = [sys.executable, "-P", "-m", __name__, str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 (Graft itself)
            command,
            input=request,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=without_signing_key() | _ENVIRONMENT,
        )
    except subprocess.TimeoutExpired as error:
        raise GraftError(
            f"{folder} gave no answer in {seconds:.0f} seconds: try again on a machine that is less busy."
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"its process ended with {done.returncode}"
        raise GraftError(f"{folder} gives no answer: {why.rstrip('.')}.")
    return done.stdout


def main() -> None:
    """Answers the request at the standard input."""
    # What takes a second to import, and whoever asks can do without.
    from graft.components.common.serving.protocols.tensorflow_serving_protocol import answer_to
    from graft.components.common.serving.refusals import Refusal
    from graft.components.common.serving.session import SavedModelSession

    try:
        with SavedModelSession(Path(sys.argv[1])) as session:
            answer = answer_to(sys.stdin.buffer.read(), session)
    except (GraftError, Refusal) as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
