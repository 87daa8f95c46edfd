"""A run: its identifier, the names that it may have, and where its records lie."""

import dataclasses
import re
import secrets
from datetime import UTC, datetime

from graft.components.common.artifacts.export import saved_model_path
from graft.components.common.errors import GraftError

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
"""What `new_run_id` returns."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_safe_name(value: str) -> bool:
    """Tells whether a name can become part of a path: letters, digits, dot, dash and underscore, starting with a letter or digit."""
    return _SAFE_NAME.fullmatch(value) is not None


def check_name(what: str, value: str) -> None:
    """Checks a name that becomes part of a path.

    Raises:
        GraftError: It has a character other than letters, digits, dot, dash and underscore.
    """
    if not is_safe_name(value):
        raise GraftError(
            f"{value!r} can't be a {what}: use letters, digits, '.', '_' and '-', starting with a letter or digit."
        )


def new_run_id() -> str:
    """Returns an identifier for a run, made of the time, that no other run has."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclasses.dataclass(frozen=True)
class Run:
    """Which run a step belongs to, and where its record is kept.

    Attributes:
        store: The store's path or URI; empty for a step that runs alone and keeps no run record.
        name: The model's name.
        run_id: The run's identifier, unique within the name.
    """

    store: str = ""
    name: str = "model"
    run_id: str = ""

    def __post_init__(self) -> None:
        """Refuses names that would not stay inside their folder, as `check_name` does, and names of files that servers are given."""
        check_name("name", self.name)
        saved_model_path(self.name)
        if self.store:
            check_name("run id", self.run_id)

    @property
    def folder(self) -> str:
        """The folder of the run's records in the store."""
        return f"{self.store.rstrip('/')}/models/{self.name}/runs/{self.run_id}"
