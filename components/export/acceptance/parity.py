"""Parity: an exported format must give what the evaluation got, on real images, in a process that has only what a server has."""

import contextlib
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from graft.components.common import storage
from graft.components.common.artifacts.export import ExportedFormat, ParityFigures, ParityLimits
from graft.components.common.artifacts.signing.keys import without_signing_key
from graft.components.common.compute.machine import cores
from graft.components.common.compute.predictions import by_class, is_confident
from graft.components.common.ending import undone
from graft.components.common.errors import GraftError
from graft.components.export.acceptance.made_images import unreadable_images
from graft.components.export.acceptance.model_runner import ALONE
from graft.components.export.client import pixels_of
from graft.components.export.formats import Format

_RUNNER = Path(__file__).with_name("model_runner.py")
_STEP = 1 / 256  # between two probabilities in 8 bits
# A GPU belongs to the step itself, and every server has a CPU.
_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class EvaluatedImages:
    """What every format must give the same for.

    Attributes:
        encoded: Evaluated images, as they stand in the dataset.
        probabilities: float32 [N, classes], what the evaluation got for them, and then what the Keras model gives for the made ones.
        made: Turned and transparent images that were made from them.
        abstain_below: The confidence below which the model is not confident; None if there is none.
    """

    encoded: Sequence[bytes]
    probabilities: Array
    made: Sequence[bytes] = ()
    abstain_below: float | None = None


def is_close(parity: ParityFigures, limits: ParityLimits) -> bool:
    """Tells whether a format comes close enough to the model that was evaluated."""
    if parity.max_difference is None or parity.label_agreement < limits.label_agreement:
        return False
    if parity.confident_agreement is not None and parity.confident_agreement < limits.label_agreement:
        return False
    return limits.max_difference is None or parity.max_difference <= limits.max_difference


def check_parity(parity: ParityFigures, form: Format) -> None:
    """Refuses a format that differs from the model that was evaluated.

    Raises:
        GraftError: It is not close enough.
    """
    if is_close(parity, form.limits):
        return
    if parity.max_difference is None:
        raise GraftError(
            f"{form.path} differs from the evaluated model: it gives probabilities that are no numbers. Nothing is exported."
        )
    if parity.confident_agreement is not None and parity.confident_agreement < form.limits.label_agreement:
        raise GraftError(
            f"{form.path} differs from the evaluated model: it is confident for the same images on {parity.confident_agreement:.1%} of "
            f"them (limit {form.limits.label_agreement:.1%}). Nothing is exported."
        )
    limit = "" if form.limits.max_difference is None else f" (limit {form.limits.max_difference:g})"
    raise GraftError(
        f"{form.path} differs from the evaluated model by up to {parity.max_difference:.2g}{limit}, and both name the same class "
        f"on {parity.label_agreement:.1%} of the images (limit {form.limits.label_agreement:.1%}): nothing is exported."
    )


@contextlib.contextmanager
def serving(export: Path, *formats: Format) -> Iterator[Callable[[EvaluatedImages], ParityFigures]]:
    """Starts a process that loads formats as a server does, one after the other, for as long as the context lasts.

    It loads the first one at once, and each of the others when it is asked for it. That takes seconds, in which this process can do
    something else.

    Args:
        export: The folder that the formats lie in.
        formats: The formats, in their order. The first is there already.

    Yields:
        A function from samples to figures, to be called once for each format in their order, from any thread, but not from two at once. It
        compares what the process makes of them with the evaluation, and raises GraftError if the format can't be loaded or run.
    """
    with storage.scratch_folder("served") as scratch, (scratch / "log").open("w+b") as log:
        # TensorFlow takes a SavedModel's path for a pattern, and names of folders may hold [, ], *, ? and \.
        models = [scratch / f"{number}-{Path(form.path).name}" for number, form in enumerate(formats)]
        for model, form in zip(models, formats, strict=True):
            model.symlink_to((export / form.path).absolute())
        results = [model.with_name(f"{model.name}.npz") for model in models]
        told = zip([form.runtime for form in formats], map(str, models), map(str, results), strict=True)
        command = [sys.executable, "-I", str(_RUNNER), *chain.from_iterable(told)]
        # With more threads a single image costs more CPU time, and other processes of this step need cores, too.
        environment = without_signing_key() | _ENVIRONMENT | {"TF_NUM_INTRAOP_THREADS": str(max(1, cores() // 2))}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, env=environment) as server:  # noqa: S603
            given, answers = cast(IO[bytes], server.stdin), cast(IO[bytes], server.stdout)
            left = iter(zip(formats, results, strict=True))

            def compare(samples: EvaluatedImages) -> ParityFigures:
                form, result = next(left)
                with contextlib.suppress(BrokenPipeError):  # its log says why
                    _send(samples, given, form)
                if not answers.readline() or (form is formats[-1] and server.wait() != 0):
                    code = server.wait()
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip().splitlines() or ["it wrote nothing"]
                    raise GraftError(
                        f"{form.path} can't be loaded and run as on a server (exit code {code}): {said[-1]}."
                    )
                return _compare(result, samples, form)

            try:
                with undone(server.kill):
                    yield compare
            finally:
                server.kill()
                with contextlib.suppress(BrokenPipeError):
                    given.close()


def _compare(result: Path, samples: EvaluatedImages, form: Format) -> ParityFigures:
    """Holds what a server wrote against the evaluation."""
    with np.load(result) as served:
        got, rows, seconds = by_class(served["probabilities"]), served["rows"], served["seconds"]
        confident = served.get("confident")
    expected = samples.probabilities[rows]
    parity = compared(got, expected, seconds, len(samples.encoded))
    if samples.abstain_below is None or form.runtime == "keras":
        return parity
    if confident is None:
        raise GraftError(f"{form.path} has no output confident: nothing is exported.")
    agreement = confident_agreement(confident, expected, samples.abstain_below, form.limits)
    return parity.model_copy(update={"confident_agreement": agreement})


def confident_agreement(confident: Array, expected: Array, abstain_below: float, limits: ParityLimits) -> float:
    """Returns for which share of the images a server is confident where the evaluated model is.

    Either answer will do where the confidence is as near to `abstain_below` as probabilities may differ, or in 8 bits must.

    Args:
        confident: bool [N], what a server gave.
        expected: float32 [N, classes], the probabilities that it has to give.
        abstain_below: The confidence below which it is not confident.
        limits: How close its probabilities must come.
    """
    is_near = np.abs(expected.max(axis=1) - np.float32(abstain_below)) <= (limits.max_difference or _STEP)
    return float(((confident == is_confident(expected, abstain_below)) | is_near).mean())


def compared(got: Array, expected: Array, seconds: Sequence[float], images: int) -> ParityFigures:
    """Returns how probabilities compare.

    Args:
        got: float32 [N, classes], what a server gave.
        expected: float32 [N, classes], what it has to give.
        seconds: What an image took, several times.
        images: The number of evaluated images among them.
    """
    difference = float(np.abs(got - expected).max())  # NaN if one of them is
    return ParityFigures(
        images=images,
        max_difference=difference if np.isfinite(difference) else None,
        label_agreement=float((got.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        latency_ms=round(1000 * float(np.median(seconds)), 1),
    )


def describe(export: Path, form: Format, parity: ParityFigures) -> ExportedFormat:
    """Returns what the record of an Export says of a format."""
    path = export / form.path
    files = path.rglob("*") if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return ExportedFormat(bytes=size, parity=parity, limits=form.limits)


def _send(samples: EvaluatedImages, pipe: IO[bytes], form: Format) -> None:
    """Writes images to a server's input, one by one, since many would fill the memory: encoded, or as clients decode them."""
    decoded = map(pixels_of, chain(samples.encoded, samples.made))
    if form.runtime == "saved_model":
        for number, content in enumerate(chain(samples.encoded, samples.made)):
            pickle.dump((content, next(decoded) if number < ALONE else None), pipe)
        pickle.dump(None, pipe)
        for content in unreadable_images(samples.encoded[0]).values():
            pickle.dump(content, pipe)
    else:
        for pixels in decoded:
            pickle.dump(pixels, pipe)
    pickle.dump(None, pipe)
    pipe.flush()
