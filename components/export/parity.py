"""Parity: an exported format must give what the evaluation got, on real images, in a process that has only what a server has."""

import contextlib
import dataclasses
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import numpy as np

from graft.components.common.compute.predictions import by_class
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.export.formats import Format

_SERVER = Path(__file__).with_name("server.py")
# A GPU belongs to the step itself, and every server has a CPU.
_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class EvaluatedImages:
    """What every format must give the same for.

    Attributes:
        encoded: Evaluated images, as they stand in the dataset.
        probabilities: float32 [N, classes], what the evaluation got for them.
    """

    encoded: Sequence[bytes]
    probabilities: Array


@dataclasses.dataclass(frozen=True)
class Parity:
    """How a format compares with the model that was evaluated.

    Attributes:
        images: How many images were compared, each at its own size.
        max_difference: Largest difference between two probabilities; NaN if the format gave one that is no number.
        label_agreement: Share of the images that both put into the same class.
        latency_ms: Median milliseconds for one image on the CPU, of a SavedModel decoding included.
    """

    images: int
    max_difference: float
    label_agreement: float
    latency_ms: float

    def within(self, limits: Format) -> bool:
        """Whether that is close enough.

        Args:
            limits: The format.
        """
        close = limits.max_difference is None or self.max_difference <= limits.max_difference
        return close and not np.isnan(self.max_difference) and self.label_agreement >= limits.agreement

    def check(self, limits: Format) -> None:
        """Refuses what is not close enough.

        Args:
            limits: The format.

        Raises:
            GraftError: It is not.
        """
        if self.within(limits):
            return
        limit = "" if limits.max_difference is None else f" (limit {limits.max_difference:g})"
        raise GraftError(
            f"{limits.path} differs from the evaluated model by up to {self.max_difference:.2g}{limit}, and both name the same class "
            f"on {self.label_agreement:.1%} of the images (limit {limits.agreement:.1%}): nothing is exported."
        )


@contextlib.contextmanager
def serving(export: Path, form: Format) -> Iterator[Callable[[EvaluatedImages], Parity]]:
    """Starts a process that loads a format as a server does, which takes seconds, for as long as the context lasts.

    Args:
        export: The folder that holds it.
        form: The format.

    Yields:
        A function, to be called once, that compares what the process makes of the samples with the evaluation; it raises
        GraftError if the format can't be loaded or run.
    """
    with TemporaryDirectory(prefix="graft-served-") as scratch, (Path(scratch) / "log").open("w+b") as log:
        result = Path(scratch) / "result.npz"
        command = [sys.executable, "-I", str(_SERVER), form.runtime, str(export / form.path), str(result)]
        environment = {**os.environ, **_ENVIRONMENT}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment) as server:  # noqa: S603

            def compare(samples: EvaluatedImages) -> Parity:
                with contextlib.suppress(BrokenPipeError):  # where it ends early, its log says why
                    _send(samples.encoded, cast(IO[bytes], server.stdin), decoded=form.runtime != "saved_model")
                if server.wait() != 0:
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip().splitlines() or ["no word"]
                    raise GraftError(
                        f"{form.path} can't be run by what a server has (exit code {server.returncode}): {said[-1]}."
                    )
                return _compare(result, samples)

            try:
                yield compare
            finally:
                server.kill()


def _compare(result: Path, samples: EvaluatedImages) -> Parity:
    """Holds what a server wrote against the evaluation."""
    with np.load(result) as served:
        got, rows, seconds = by_class(served["probabilities"]), served["rows"], served["seconds"]
    expected = samples.probabilities[rows]
    return Parity(
        len(samples.encoded),
        float(np.abs(got - expected).max()),  # NaN if one of them is
        float((got.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        round(1000 * float(np.median(seconds)), 1),
    )


def describe(export: Path, form: Format, parity: Parity) -> dict[str, Any]:
    """Returns what `export.json` says of a format.

    Args:
        export: The folder that holds it.
        form: The format.
        parity: How it compares.
    """
    path = export / form.path
    files = path.rglob("*") if path.is_dir() else [path]
    return {
        "bytes": sum(file.stat().st_size for file in files if file.is_file()),
        "parity": dataclasses.asdict(parity),
        "limits": {"max_difference": form.max_difference, "label_agreement": form.agreement},
    }


def _send(encoded: Sequence[bytes], pipe: IO[bytes], *, decoded: bool) -> None:
    """Writes images to a server's input, decoded as in training, or as they are; one by one, since many would fill the memory."""
    with pipe:
        for content in encoded:
            image: bytes | Array = content
            if decoded:
                tf = import_tensorflow()
                image = tf.io.decode_image(content, channels=3, expand_animations=False).numpy()
            pickle.dump(image, pipe)
