"""A server for one model, which speaks TensorFlow Serving's REST interface and the Open Inference Protocol.

    python -m graft.components.common.serving.server FOLDER --name NAME --port PORT

FOLDER is a base path as TensorFlow Serving takes it: it holds SavedModels in folders that are numbered, and the highest is served. One
line on the standard output tells that the server is ready, and where.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from aiohttp import web
from aiohttp.typedefs import Handler

from graft.components.common.ending import in_time
from graft.components.common.errors import GraftError
from graft.components.common.serving.listening import HOST, bind, listen
from graft.components.common.serving.page import page
from graft.components.common.serving.protocols import open_inference_protocol, tensorflow_serving_protocol
from graft.components.common.serving.refusals import Refusal, status_of
from graft.components.common.serving.same_site import same_site
from graft.components.common.serving.served_model import ServedModel
from graft.components.common.serving.session import SavedModelSession
from graft.components.common.serving.signatures import DEFAULT_SIGNATURE, STRING
from graft.components.common.serving.tensorflow_library import TensorFlowError

log = logging.getLogger("graft")

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_A_PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"  # an image
_INVALID_ARGUMENT = 3


def create_app(
    session: SavedModelSession, name: str, version: int, host: str = HOST, classes: Sequence[str] = ()
) -> web.Application:
    """Returns the server's application, which closes the session when it ends.

    Args:
        session: The model.
        name: Its name in the addresses.
        version: Its version: 1.
        host: The address that the server listens at.
        classes: The class names in label order, for the page; empty if they aren't known.
    """
    model = ServedModel(session, name, version)

    async def close(_: web.Application) -> AsyncIterator[None]:
        yield
        model.close()

    async def show(_: web.Request) -> web.Response:
        return page(name, classes)

    app = web.Application(middlewares=[same_site(host), _tell_errors])
    app.cleanup_ctx.append(close)
    app.router.add_get("/", show)
    app.router.add_routes(open_inference_protocol.routes(model))
    app.router.add_routes(tensorflow_serving_protocol.routes(model))
    return app


@web.middleware
async def _tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers what goes wrong by {"error": …}, as both protocols do."""
    try:
        return await handler(request)
    except Refusal as refusal:
        status, message = refusal.status, str(refusal)
    except TensorFlowError as error:
        status, message = status_of(error.code), str(error)
    except web.HTTPException as error:
        status, message = error.status, f"{error.reason}: {request.method} {request.path}"
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        status, message = 500, "The server failed, and its log says why."
    return web.json_response({"error": message}, status=status)


def newest_version(folder: Path) -> Path:
    """Returns the SavedModel in a base path that is served: the one of the highest number.

    Raises:
        GraftError: There is none.
    """
    versions = [path for path in folder.glob("*") if path.name.isascii() and path.name.isdecimal() and path.is_dir()]
    if not versions:
        raise GraftError(f"{folder} holds no version of a model, a folder such as {folder / '1'}: name one that does.")
    return max(versions, key=lambda path: int(path.name))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TensorFlow's notes about its start from the standard error, unless the environment asks for them.

    Those that come before its log is set up heed no setting.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "3"
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _prepare(session: SavedModelSession) -> None:
    """Runs the model once, so that the first request need not wait for that, and the log tells if it can't run, whatever the image."""
    signature = session.signatures.get(DEFAULT_SIGNATURE)
    if signature is None or [(spec.dtype, spec.shape) for spec in signature.inputs.values()] != [(STRING, (None,))]:
        return
    try:
        session.run(DEFAULT_SIGNATURE, dict.fromkeys(signature.inputs, np.array([_A_PIXEL], object)))
    except TensorFlowError as error:
        if error.code != _INVALID_ARGUMENT:  # else it takes other strings than images
            log.warning("The model was loaded, but can't run (%s): export it again.", error)


async def serve(
    folder: Path, name: str, host: str, port: int, tell: Callable[[str], None], classes: Sequence[str] = ()
) -> None:
    """Serves until the process is told to end.

    Args:
        folder: The base path.
        name: The model's name in the addresses.
        host: The address to listen at.
        port: The port; any that is free if 0.
        tell: Is called with the address once that is listened at.
        classes: The class names in label order, for the page.

    Raises:
        GraftError: There is no model that can be served, or the port can't be listened at.
    """
    saved_model = newest_version(folder)
    with bind(host, port) as place:
        with _quiet():
            session = SavedModelSession(saved_model)
        _prepare(session)
        await listen(create_app(session, name, int(saved_model.name), host, classes), place, tell)


def main() -> None:
    """Runs the server that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the base path")
    parser.add_argument("--name", required=True, help="the model's name in the addresses")
    parser.add_argument("--port", type=int, required=True, help="any that is free if 0")
    parser.add_argument("--host", default=HOST, help="the address to listen at")
    arguments = parser.parse_args()

    def tell(address: str) -> None:
        version = newest_version(arguments.folder).name
        sys.stdout.write(f"Serving {arguments.name}, version {version}, at {address}\n")
        sys.stdout.flush()

    try:
        with in_time():
            asyncio.run(serve(arguments.folder, arguments.name, arguments.host, arguments.port, tell))
    except GraftError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
