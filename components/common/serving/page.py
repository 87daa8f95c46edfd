"""The page that a server shows to people: they drop a photograph on it, and see what the model makes of it."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from aiohttp import web
from markupsafe import Markup

from graft.components.common.pages.rendering import render_page

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "connect-src 'self'; img-src blob: data:; style-src 'unsafe-inline'; script-src 'sha256-{}'"
)


def page(name: str, classes: Sequence[str] = ()) -> web.Response:
    """Returns the page: self-contained, and kept by its policy from running any other script and from asking any other server.

    Args:
        name: The model's name in the server's addresses.
        classes: The class names in label order; where they aren't known the page shows the predicted one's alone.
    """
    script = files(__package__).joinpath("photographs.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # The script is this package's own, and the only markup that is taken as it is.
    values = {"name": name, "classes": list(classes), "script": Markup(script)}  # noqa: S704
    text = render_page(__package__, "photographs.html.j2", values)
    headers = {
        "Content-Security-Policy": _POLICY.format(digest),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return web.Response(text=text, content_type="text/html", headers=headers)
