"""A model in service: how a request reaches it, within limits of size, number and time."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

import numpy as np
from aiohttp import web

from graft.components.common.serving.batching import MAX_BATCH, Arrays, Batcher
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.session import SavedModelSession

MIB = 2**20
MAX_BODY = 64 * MIB
"""Bytes that a request may have."""
MAX_HELD = 512 * MIB
"""Bytes that all requests together may have which are not answered yet."""
_SECONDS_TO_SEND = 60

T = TypeVar("T")


@dataclasses.dataclass
class ServedModel:
    """A model in service.

    Attributes:
        session: The model.
        name: Its name in the server's addresses.
        version: Its version, as TensorFlow Serving counts: 1.
    """

    session: SavedModelSession
    name: str
    version: int

    def __post_init__(self) -> None:
        self._batcher = Batcher(self.session)
        # One thread: what requests are made of takes many times their size while they are taken apart.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="requests")
        self._held = 0

    def close(self) -> None:
        """Ends it. Requests that wait are cancelled."""
        self._reader.shutdown(cancel_futures=True)
        if self._batcher.close():
            self.session.close()

    def check(self, name: str, version: str | None) -> None:
        """Checks that a request is about this model.

        Raises:
            Refusal: It is about another one.
        """
        if name != self.name or version not in (None, str(self.version)):
            asked = f"{name}, version {version}," if version else name
            raise Refusal(
                f"There is no model {asked} here, but {self.name}, version {self.version}.", HTTPStatus.NOT_FOUND
            )

    async def predict(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs a signature, together with other requests.

        Args:
            signature: Its name.
            inputs: Arrays by name, which `check_inputs` has checked.

        Raises:
            Refusal: Too many requests wait.
            TensorFlowError: TensorFlow can't do it.
        """
        rows = len(next(iter(inputs.values())))
        pieces = [
            {name: array[start : start + MAX_BATCH] for name, array in inputs.items()}
            for start in range(0, rows, MAX_BATCH)
        ]
        outcomes: list[asyncio.Future[Arrays]] = []
        try:
            for piece in pieces:
                outcomes.append(asyncio.wrap_future(self._batcher.submit(signature, piece)))
            outputs = await asyncio.gather(*outcomes)
        finally:
            for outcome in outcomes:
                outcome.cancel()  # the client is gone, or another piece failed
        return {name: np.concatenate([piece[name] for piece in outputs]) for name in outputs[0]}

    async def parse(self, parse: Callable[[], T]) -> T:
        """Takes a request apart, in a thread, while others are answered."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, parse)

    @contextlib.asynccontextmanager
    async def body(self, request: web.Request) -> AsyncIterator[bytes]:
        """A request's body, which counts as held until the context is left: when it is answered.

        Raises:
            Refusal: It is too large, comes too slowly, can't be unpacked, or the server holds too many already.
        """
        size = 0
        chunks = []
        self._check_size(request.content_length or 0)
        try:
            try:
                async with asyncio.timeout(_SECONDS_TO_SEND):
                    async for chunk in request.content.iter_any():
                        chunks.append(chunk)
                        size += len(chunk)
                        self._held += len(chunk)
                        self._check_size(size)
            except TimeoutError as error:
                raise Refusal(
                    f"The request did not arrive within {_SECONDS_TO_SEND} seconds.", HTTPStatus.REQUEST_TIMEOUT
                ) from error
            except web.RequestPayloadError as error:
                raise Refusal("The request's body is not encoded as its headers say.") from error
            yield b"".join(chunks)
        finally:
            self._held -= size

    def _check_size(self, size: int) -> None:
        if size > MAX_BODY:
            raise Refusal(
                f"A request may have {MAX_BODY // MIB} MiB: send fewer or smaller images.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        if self._held > MAX_HELD:
            raise Refusal("Too many large requests are under way: try again later.", HTTPStatus.SERVICE_UNAVAILABLE)
