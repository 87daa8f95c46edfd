"""Measures an image: python images/report.py IMAGE OUTPUT.json.

Prints and writes its size with the five largest layers, seconds of `graft --help` in it, seconds of a rebuild after a change of code
alone, and what a careful operator checks: the user, world-writable files, secrets.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
# What images/build.sh builds from.
_FILES = ("pyproject.toml", "README.md", "LICENSE")
_FOLDERS = ("components", "pipelines", "src", "requirements", "images")
# By what each has in it: files without are left out, which took 60 MB of an environment 0.2 CPU seconds, and by the patterns alone 4.2.
_SECRETS = {
    b"PRIVATE KEY-----": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    b"AKIA": rb"(?<![\w+/])AKIA[0-9A-Z]{16}(?![\w+/])",
    b"AIza": rb"(?<![\w+/])AIza[0-9A-Za-z_-]{35}(?![\w+/])",
    b"ghp_": rb"ghp_[0-9A-Za-z]{36}",
    b"xox": rb"xox[abpr]-[0-9]{10,}-[0-9A-Za-z-]+",
    b'"private_key_id"': rb'"private_key_id": *"[0-9a-f]{40}"',
}
# Libraries ship the marker as text that they look for or show in documentation, with no key behind it.
_FIND_SECRETS = f"""
import pathlib, re
for root in ("/opt", "/etc", "/home", "/root", "/requirements"):
    for path in pathlib.Path(root).rglob("*"):
        try:
            if not path.is_file() or path.is_symlink() or path.stat().st_size > 50_000_000:
                continue
            content = path.read_bytes()
        except PermissionError:
            continue
        for mark, secret in {_SECRETS}.items():
            for match in re.finditer(secret, content) if mark in content else ():
                after = content[match.end():match.end() + 200]
                if mark != b"PRIVATE KEY-----" or re.match(rb"\\s*[A-Za-z0-9+/=\\s]{{100}}", after):
                    print(path)
"""


def run(*command: str) -> str:
    """Runs a command and returns what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout  # noqa: S603 (no shell)


def inside(image: str, entrypoint: str, *arguments: str, user: str = "") -> str:
    """Runs a program in a new container of the image and returns what it prints."""
    as_user = ["--user", user] if user else []
    return run("docker", "run", "--rm", "--network", "none", *as_user, "--entrypoint", entrypoint, image, *arguments)


def help_seconds(image: str) -> float:
    """Returns the seconds that `graft --help` takes in the container, by the container's own clock: median of five.

    The half second that `docker run` itself takes is not the image's.
    """
    code = (
        "import subprocess, time; start = time.monotonic(); "
        "subprocess.run(['graft', '--help'], stdout=subprocess.DEVNULL, check=True); print(time.monotonic() - start)"
    )
    return statistics.median(float(inside(image, "python3", "-c", code)) for _ in range(5))


def rebuild_seconds(tag: str) -> float:
    """Returns the seconds of a build after a change of code alone, made in a copy of what is built from."""
    with tempfile.TemporaryDirectory(prefix="graft-rebuild-") as folder:
        for name in _FILES:
            shutil.copy2(ROOT / name, folder)
        for name in _FOLDERS:
            unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, Path(folder, name), symlinks=True, ignore=unwanted)
        with Path(folder, "components", "__init__.py").open("a", encoding="utf-8") as touched:
            touched.write(f"# {time.time_ns()}\n")
        start = time.monotonic()
        try:
            run(f"{folder}/images/build.sh", "cpu", f"{tag}-rebuild")
            return time.monotonic() - start
        finally:
            subprocess.run(["docker", "rmi", "--force", f"{tag}-rebuild"], check=False, capture_output=True)  # noqa: S603, S607


def measure(image: str) -> dict[str, object]:
    """Measures an image."""
    size = int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))
    history = run("docker", "history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", image)
    layers = [(int(size), " ".join(what.split())) for size, what in (line.split("\t") for line in history.splitlines())]
    everywhere = ("/", "-xdev", "-perm", "-0002", "!", "-type", "l", "!", "-path", "/tmp", "!", "-path", "/tmp/*")  # noqa: S108
    pseudo = ("!", "-path", "/proc/*", "!", "-path", "/sys/*", "!", "-path", "/dev/*")
    sticky = ("!", "(", "-type", "d", "-perm", "-1000", ")")
    return {
        "image": image,
        "size_bytes": size,
        "largest_layers": [{"bytes": size, "made_by": what[:100]} for size, what in sorted(layers, reverse=True)[:5]],
        "help_seconds": round(help_seconds(image), 3),
        "rebuild_seconds": round(rebuild_seconds(image), 1),
        "user": inside(image, "whoami").strip(),
        "world_writable": inside(image, "find", *everywhere, *pseudo, *sticky, user="0").split(),
        "secrets": inside(image, "python3", "-c", _FIND_SECRETS, user="0").split(),
    }


def main() -> None:
    """Prints and writes the report."""
    image, output = sys.argv[1], Path(sys.argv[2])
    report = measure(image)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    table = Table("what", "value", title=f"{image}")
    for what, value in report.items():
        shown = json.dumps(value, indent=1) if isinstance(value, list) and value else str(value)
        table.add_row(what, re.sub(r"[\[\]{}\"]", "", shown) or "none")
    Console().print(table)


if __name__ == "__main__":
    main()
