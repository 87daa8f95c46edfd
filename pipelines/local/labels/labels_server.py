"""The server of the page that walks a person through labels, to this machine alone, at an address that nobody can guess."""

import asyncio
import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from graft.components.common.artifacts.lists.labels_list import KEEP, REMOVE
from graft.components.common.errors import GraftError
from graft.components.common.serving.listening import HOST, listen
from graft.components.common.serving.page import scripted_page
from graft.components.common.serving.protocols.json_body import JsonPart, parse_json
from graft.components.common.serving.refusals import Refusal
from graft.components.common.serving.same_site import same_site
from graft.pipelines.local.labels.corrections_file import CorrectionsFile
from graft.pipelines.local.labels.listed_images import ListedImages

_LARGEST = 2**16  # bytes of a request
_PNG = b"\x89PNG"


class _Decision(JsonPart):
    """What a person says of an image: its number in the list; a class, `keep`, `remove`, or nothing."""

    number: int
    correction: str


async def serve_labels(
    name: str, images: ListedImages, corrections: CorrectionsFile, place: socket.socket, tell: Callable[[str], None]
) -> None:
    """Serves the page until the process is told to end.

    Args:
        name: The model's name.
        images: The list.
        corrections: Where decisions go, each before it is answered.
        place: The socket to listen at.
        tell: Is called with the page's address.
    """
    token = secrets.token_urlsafe(24)
    app = create_app(name, images, corrections, token)
    await listen(app, place, lambda address: tell(f"{address}/{token}/"))


def create_app(name: str, images: ListedImages, corrections: CorrectionsFile, token: str) -> web.Application:
    """Returns the server's application.

    Args:
        name: The model's name.
        images: The list.
        corrections: Where decisions go.
        token: What all addresses begin with. Whoever doesn't know it is told nothing.
    """

    async def show(_: web.Request) -> web.Response:
        said = corrections.corrections()
        entries = [
            {
                "path": entry.path,
                "split": entry.split,
                "label": entry.label,
                "suggested": entry.suggested,
                "confidence": entry.confidence,
                "correction": said.get(entry.sha256 or entry.path, ""),
            }
            for entry in images.entries
        ]
        values = {"classes": images.classes, "entries": entries, "keep": KEEP, "remove": REMOVE}
        return scripted_page(__package__, "labels", {"name": name, "file": str(corrections.path), "values": values})

    async def picture(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if number >= len(images.entries):
            raise web.HTTPNotFound
        content = await asyncio.to_thread(images.picture, images.entries[number])
        kind = "image/png" if content.startswith(_PNG) else "image/jpeg"
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
        return web.Response(body=content, content_type=kind, headers=headers)

    async def decide(request: web.Request) -> web.Response:
        decision = parse_json(await request.read(), _Decision)
        if not 0 <= decision.number < len(images.entries):
            raise Refusal(f"The list has no image {decision.number}.")
        if decision.correction not in ("", KEEP, REMOVE, *images.classes):
            raise Refusal(f"{decision.correction!r} is no class: there are {', '.join(images.classes)}.")
        corrections.set(images.entries[decision.number], decision.correction)
        return web.json_response({})

    @web.middleware
    async def know_token(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.path.strip("/").partition("/")[0]  # of `OPTIONS *` there is no path
        if not secrets.compare_digest(given.encode(), token.encode()):
            raise web.HTTPNotFound
        return await handler(request)

    app = web.Application(middlewares=[same_site(HOST), know_token, _tell_errors], client_max_size=_LARGEST)
    app.router.add_get(f"/{token}/", show)
    app.router.add_get(f"/{token}/pictures/{{number:[0-9]{{1,9}}}}", picture)
    app.router.add_post(f"/{token}/decisions", decide)
    return app


@web.middleware
async def _tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers what goes wrong by {"error": …}."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.json_response({"error": str(refusal)}, status=refusal.status)
    except GraftError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.INTERNAL_SERVER_ERROR)
