"""Writes an image's software bill of materials: python images/sbom.py IMAGE OUTPUT.json.

The image is asked what is in it, Debian's packages and Python's; the result is CycloneDX 1.6 JSON
(https://cyclonedx.org/docs/1.6/json/).
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_LIST_PYTHON = """
import importlib.metadata, json
found = {(d.name, d.version, d.metadata.get("License-Expression")) for d in importlib.metadata.distributions()}
print(json.dumps(sorted(found, key=lambda entry: entry[:2])))
"""


def ask(image: str, *command: str) -> str:
    """Runs a command in the image, cut off from the network, and returns what it prints."""
    isolated = ["docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"]
    entry = [*isolated, "--entrypoint", command[0], image, *command[1:]]
    return subprocess.run(entry, check=True, capture_output=True, text=True).stdout  # noqa: S603 (no shell)


def bill_of_materials(image: str) -> Bom:
    """Lists what is in an image.

    Args:
        image: The image's tag or digest.
    """
    inspected = subprocess.run(  # noqa: S603 (no shell)
        ["docker", "image", "inspect", "--format", "{{.Id}}", image],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    bom = Bom()
    bom.metadata.component = Component(name=image, version=inspected.stdout.strip(), type=ComponentType.CONTAINER)
    licenses = LicenseFactory()
    for name, version, expression in json.loads(ask(image, "python3", "-c", _LIST_PYTHON)):
        bom.components.add(
            Component(
                name=name,
                version=version,
                purl=PackageURL("pypi", None, name.lower().replace("_", "-"), version),
                licenses=[licenses.make_with_expression(expression)] if expression else [],
            )
        )
    for line in ask(image, "dpkg-query", "--show", "--showformat", "${Package} ${Version}\n").splitlines():
        name, version = line.split(" ")
        bom.components.add(Component(name=name, version=version, purl=PackageURL("deb", "debian", name, version)))
    return bom


def main() -> None:
    """Writes the file that the command line names."""
    image, output = sys.argv[1], Path(sys.argv[2])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(JsonV1Dot6(bill_of_materials(image)).output_as_string(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
