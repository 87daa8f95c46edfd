"""Errors as people may be shown them: no secret in them, and nothing that steers a terminal."""

import getpass
import re
from collections.abc import Iterable
from pathlib import Path

from graft.components.common.errors import SeveralError
from graft.components.common.escaping import escaped
from graft.components.common.storage import without_secrets

_MAIL = re.compile(r"[\w.+-]+@(?=[\w-]+\.[\w.-]*[A-Za-z])")


def shown(error: BaseException, text: str | None = None) -> str:
    """Returns the text of an error as people may be shown it: one line, or one for each of several things that are wrong.

    Args:
        error: The error.
        text: A text that has the error's in it; the error's own if not given.
    """
    lines = [str(error) if text is None else text]
    if isinstance(error, SeveralError):  # whose line breaks come from nobody else
        lines = lines[0].split("\n")
    return "\n".join(escaped(without_secrets(line)) for line in lines)


def anonymous(text: str, secrets: Iterable[str] = ()) -> str:
    """Returns a text as it may be shown to strangers: without secrets, the user's name, folder and addresses of mail.

    Args:
        text: The text.
        secrets: Secrets that others may have put into it.
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = escaped(without_secrets(text))
    home, user = str(Path.home()), _user()
    if home != "/":
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    if user:
        text = re.sub(rf"(?<=/){re.escape(user)}(?![\w.-])", "USER", text)
    return _MAIL.sub("USER@", text)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""
