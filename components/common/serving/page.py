"""The pages that a server shows to people, with a script of their own: photographs that are dropped on one are told what they show."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from aiohttp import web
from markupsafe import Markup

from graft.components.common.pages.rendering import render_page

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "connect-src 'self'; img-src 'self' blob: data:; style-src 'unsafe-inline'; script-src 'sha256-{}'"
)


def page(name: str, classes: Sequence[str] = ()) -> web.Response:
    """Returns the page of a model's server.

    Args:
        name: The model's name in the server's addresses.
        classes: The class names in label order; where they aren't known the page shows the predicted one's alone.
    """
    return scripted_page(__package__, "photographs", {"name": name, "classes": list(classes)})


def scripted_page(package: str, name: str, values: Mapping[str, Any]) -> web.Response:
    """Returns a page: self-contained, and kept by its policy from running any other script and from asking any other server.

    Args:
        package: Import name of the package that holds `<name>.html.j2`, and `<name>.js`, which stands in it as `script`.
        name: The page's name.
        values: What it shows.
    """
    script = files(package).joinpath(f"{name}.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # The script is this package's own, and the only markup that is taken as it is.
    text = render_page(package, f"{name}.html.j2", {**values, "script": Markup(script)})  # noqa: S704
    headers = {
        "Content-Security-Policy": _POLICY.format(digest),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return web.Response(text=text, content_type="text/html", headers=headers)
