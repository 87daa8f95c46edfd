"""Talking to the Docker Engine."""

import subprocess
import sys
from pathlib import Path

IMAGE = "graft:cpu"
GRAFT = Path(sys.executable).with_name("graft")
UNPRIVILEGED = 12345


def docker(*arguments, check=True, **options):
    return subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=check, **options)
