"""Talking to the Docker Engine, and to the docker runner."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

IMAGE = "graft:cpu"
GRAFT = Path(sys.executable).with_name("graft")
UNPRIVILEGED = 12345


@dataclasses.dataclass
class Contained:
    """A run by the docker runner.

    Attributes:
        folder: The folder it ran in.
        source: Its zip of photographs.
        inputs: The options it was given, `--source` first.
        content: Its run.json.
    """

    folder: Path
    source: Path
    inputs: list[Any]
    content: dict[str, Any]


def docker(*arguments, check=True, **options):
    return subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=check, **options)


def run(folder, *arguments, command=(GRAFT, "run", "--json", "--runner", "docker", "--network", "none")):
    """Runs the pipeline, by the docker runner unless told otherwise."""
    return subprocess.run([*command, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
