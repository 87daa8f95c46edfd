"""What a user can set in the export step."""

import shlex
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.export.formats import Further

KSERVE = "kserve:"
"""Begins the name of a server that is KServe's, in the virtual environment that follows."""


def check_server(validate_with: str) -> str:
    """Returns how the server is named that a model is tried with, after checking that.

    It is no field of `ExportConfig`, which whoever starts a run may set: what it names is run with the step's rights.

    Args:
        validate_with: `kserve:ENVIRONMENT`; or a command with {folder} and {port}, and {name} where it takes the model's name; empty for
            none.

    Raises:
        ValueError: The command can't be parsed, or lacks a placeholder.
    """
    if validate_with and not validate_with.startswith(KSERVE):
        try:
            words = shlex.split(validate_with)
        except ValueError as error:
            raise ValueError(f"{validate_with!r} is no command ({error}): write it as in a shell") from error
        for needed in ("{folder}", "{port}"):
            if not any(needed in word for word in words):
                raise ValueError(
                    f"{validate_with!r} has no {needed}: write a command that serves the folder {{folder}} at the port {{port}}"
                )
    return validate_with


@dataclass(frozen=True)
class ExportConfig:
    """What to export, and what to do with it.

    Attributes:
        formats: Formats to export to, besides SavedModel and .keras.
        promote: Who makes a published model the latest version: `auto` for the pipeline, `manual` for a person. Without a
            store nothing is published.
        parity_images: How many of the evaluated images to run every format on. Each must agree with the evaluation on them.
    """

    formats: tuple[Further, ...] = ()
    promote: Literal["auto", "manual"] = "auto"
    parity_images: Annotated[int, Field(gt=0)] = 200
