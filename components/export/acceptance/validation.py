"""Infra validation: an Export is served as it will be, and asked over HTTP, before it may become the latest version.

The idea is TensorFlow Extended's (https://www.tensorflow.org/tfx/guide/infra_validator).
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from graft.components.common import storage
from graft.components.common.artifacts.export import ParityLimits, Served
from graft.components.common.errors import GraftError
from graft.components.export.acceptance.made_images import unreadable_images
from graft.components.export.acceptance.parity import EvaluatedImages, compared, confident_agreement, is_close
from graft.components.export.acceptance.server_process import Answer, Server, ServerError, running_server

log = logging.getLogger("graft")

_BATCH = 8


class _Prediction(BaseModel):
    """What a server says of one image."""

    label: str
    probabilities: Annotated[list[float], Field(min_length=1)]
    confident: bool | None = None


class _Answer(BaseModel):
    """What a server answers, by TensorFlow Serving's REST interface."""

    predictions: list[_Prediction]


@contextlib.contextmanager
def tried_server(base: Path, validate_with: str, log_uri: str) -> Iterator[Server]:
    """Starts a server, to be asked by `ask`, and stops it.

    Args:
        base: The folder that the server is given: it has the model's name, and holds the numbered folders of the SavedModel.
        validate_with: The server, as `command_of` takes it.
        log_uri: Path or URI of the file that the server's log is kept in if it fails; empty to print it.

    Raises:
        GraftError: It can't be started, or `ask` found that it would not do; the message says where its log is.
    """
    with storage.scratch_folder("served") as scratch, (scratch / "log").open("w+b") as output:
        try:
            with running_server(validate_with, base, output) as server:
                yield server
        except ServerError as error:
            output.seek(0)
            where = _keep_log(output.read(), log_uri)
            raise GraftError(
                f"The exported model can't be served: the server failed ({error}), its log {where}. Nothing is exported."
            ) from error


def _keep_log(said: bytes, log_uri: str) -> str:
    """Keeps a server's log in the store, or prints it where there is none or it can't be written; returns where it is."""
    if log_uri:
        try:
            storage.write(log_uri, said)
        except GraftError as error:
            log.error("The log of the server can't be kept: %s", error)
        else:
            return f"is {storage.redact(log_uri)}"
    log.error("The log of the server:")
    for line in said.decode(errors="replace").splitlines():
        log.error("%s", line)
    return "stands above"


def ask(server: Server, classes: Sequence[str], samples: EvaluatedImages, limits: ParityLimits) -> Served:
    """Waits until a server is ready, and asks it for predictions over HTTP.

    It must give what the evaluation got, and the right labels. It must answer an image that can't be decoded with an error, and the
    request after that one as before.

    Args:
        server: The server.
        classes: The class names in label order.
        samples: The images, and what the evaluation got for them.
        limits: How close the server must come to that.

    Raises:
        ServerError: It doesn't get ready, or answers wrongly.
    """
    server.wait_until_ready()
    encoded = [*samples.encoded, *samples.made]
    predictions: list[_Prediction] = []
    seconds = []
    for start in range(0, len(encoded), _BATCH):
        batch = encoded[start : start + _BATCH]
        began = time.monotonic()
        predictions += _predictions(server.predict(batch), len(batch), len(classes))
        seconds.append((time.monotonic() - began) / len(batch))
    got = np.array([prediction.probabilities for prediction in predictions], np.float32)
    parity = compared(got, samples.probabilities, seconds, len(samples.encoded))
    if parity.max_difference is None:
        raise ServerError("it gives probabilities that are no numbers")
    if not is_close(parity, limits):
        raise ServerError(
            f"its probabilities differ from the evaluation's by up to {parity.max_difference:.2g}, and both name the same class on "
            f"{parity.label_agreement:.1%} of the images"
        )
    if samples.abstain_below is not None:
        confident = np.array([prediction.confident for prediction in predictions], object)
        agreement = confident_agreement(confident, samples.probabilities, samples.abstain_below, limits)
        if agreement < limits.label_agreement:
            raise ServerError(f"it is confident for the same images as the evaluation on {agreement:.1%} of them")
        parity = parity.model_copy(update={"confident_agreement": agreement})
    for prediction, number in zip(predictions, got.argmax(axis=1), strict=True):
        if prediction.label != classes[number]:
            raise ServerError(f"it calls the class {classes[number]!r} {prediction.label!r}")
    refused = unreadable_images(encoded[0])
    for what, content in refused.items():
        if server.predict([content]).ok:
            raise ServerError(f"it gave a prediction for {what}")
        (again,) = _predictions(server.predict(encoded[:1]), 1, len(classes))
        if not np.allclose(again.probabilities, got[0], rtol=0, atol=1e-3):
            raise ServerError(f"after {what} it gives another answer for the same image")
    return Served(by=server.version(), parity=parity, refused=tuple(refused))


def ask_example(server: Server, request: bytes, classes: int) -> bytes:
    """Returns the body that a server answers to the request that an Export has as an example, which is about one image.

    Args:
        server: The server, which is ready.
        request: The request's body.
        classes: How many classes the model has.

    Raises:
        ServerError: It answers with an error, or with something else.
    """
    answer = server.post(request)
    _predictions(answer, 1, classes)
    return answer.content


def _predictions(answer: Answer, images: int, classes: int) -> list[_Prediction]:
    """Returns what a server predicts for images that can be decoded.

    Raises:
        ServerError: The answer is an error, or not one of as many images and classes.
    """
    if not answer.ok:
        raise ServerError(str(answer))
    try:
        found = _Answer.model_validate_json(answer.content).predictions
    except ValidationError as error:
        raise ServerError(f"its answer is not TensorFlow Serving's, {answer}") from error
    if [len(one.probabilities) for one in found] != [classes] * images:
        raise ServerError(f"it gave {len(found)} predictions for {images} images, or not of {classes} classes")
    return found
