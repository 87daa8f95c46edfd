"""`latest.json`: which version counts, and all else about a model's versions that ever changes."""

import dataclasses
import json
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from graft.components.common.artifacts.records import SCHEMA_VERSION
from graft.components.common.errors import GraftError

FILE = "latest.json"


class NotPromotedError(GraftError):
    """A version was published, and is not the latest for a reason that its message gives."""


@dataclasses.dataclass(frozen=True)
class About:
    """What is known of a version.

    Attributes:
        version: Its name.
        model_digest: Digest of its `model.keras`.
        accuracy: What it was evaluated at; None if that is not known.
    """

    version: str
    model_digest: str
    accuracy: float | None = None


@dataclasses.dataclass(frozen=True)
class Promotion:
    """A version's becoming the latest.

    Attributes:
        about: The version.
        time: When, in UTC.
        by: Who made it the latest: a pipeline, a person, or a person's going back to it.
    """

    about: About
    time: str
    by: Literal["pipeline", "person", "rollback"]


@dataclasses.dataclass(frozen=True)
class Note:
    """Why and when something was done.

    Attributes:
        reason: Why, in a person's words.
        time: When, in UTC.
        model_digest: Digest of the model that it is about; empty for none.
    """

    reason: str
    time: str
    model_digest: str = ""


@dataclasses.dataclass(frozen=True)
class Latest:
    """What `latest.json` holds.

    Attributes:
        version: The latest version; None before the first promotion.
        history: All promotions, the newest last: that of `version`.
        withdrawn: Versions that a pipeline must not promote again, with the reason.
        hold: Why the latest must not change; None if it may.
        schema_version: Of the record, as it is written.
    """

    version: str | None = None
    history: tuple[Promotion, ...] = ()
    withdrawn: dict[str, Note] = dataclasses.field(default_factory=dict)
    hold: Note | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def model_digest(self) -> str | None:
        """Digest of the latest version's model; None before the first promotion."""
        return self.history[-1].about.model_digest if self.history else None

    @property
    def candidates(self) -> list[About]:
        """The versions that were ever promoted and not withdrawn, each once, the newest promotion first."""
        found = {entry.about.version: entry.about for entry in self.history if not self.withdraws(entry.about)}
        newest = [entry.about.version for entry in reversed(self.history)]
        return [found[version] for version in dict.fromkeys(newest) if version in found]

    def withdraws(self, about: About) -> bool:
        """Whether a version's content was withdrawn: itself, or another one with the same model.

        Args:
            about: The version.
        """
        digests = {note.model_digest for note in self.withdrawn.values()}
        return about.version in self.withdrawn or about.model_digest in digests


_ADAPTER = TypeAdapter(Latest)


def parse_latest(content: bytes | None, where: str) -> Latest:
    """Reads `latest.json`.

    Args:
        content: Its bytes; None if there is none yet.
        where: Its path or URI without secrets, for messages.

    Raises:
        GraftError: It is damaged, or another Graft's.
    """
    if content is None:
        return Latest()
    try:
        schema = json.loads(content)["schema_version"]
        if schema not in (SCHEMA_VERSION, SCHEMA_VERSION - 1):
            raise GraftError(
                f"{where} has schema version {schema}, and this Graft reads {SCHEMA_VERSION}: use the Graft that wrote it."
            )
        latest = _ADAPTER.validate_json(content)
        if latest.version != (latest.history[-1].about.version if latest.history else None):
            raise ValueError("version is not the last one of history")
    except ValidationError as error:
        problem = error.errors()[0]
        raise _damaged(where, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(where, f"no {error}" if isinstance(error, KeyError) else str(error)) from error
    return dataclasses.replace(latest, schema_version=SCHEMA_VERSION)


def _damaged(where: str, why: str) -> GraftError:
    return GraftError(f"{where} is damaged ({why}): restore an earlier generation of it.")


def format_latest(latest: Latest) -> bytes:
    """Returns the content of `latest.json`.

    Args:
        latest: What it is to hold.
    """
    return _ADAPTER.dump_json(latest, indent=2) + b"\n"
