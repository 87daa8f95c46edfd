"""The command that walks a person through labels that are probably wrong."""

import asyncio
import json
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from graft.components.common.serving.listening import HOST, bind
from graft.pipelines.local.labels.corrections_file import CorrectionsFile
from graft.pipelines.local.labels.labels_server import serve_labels
from graft.pipelines.local.labels.listed_images import find_listed


def labels(
    name: str = "model",
    /,
    *,
    store: str,
    output: Path = Path("corrections.csv"),
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0,
) -> None:
    """Shows the labels that are probably wrong on a page, and writes down what you say of them.

    Args:
        name: The model's name.
        store: Path or URI of the store that its last run left the list in.
        output: The list of corrections, which `graft ingest --corrections` takes; what is in it already stays.
        port: The port to listen at; 0 for any that is free.
    """
    corrections = CorrectionsFile(output)
    with bind(HOST, port) as place:
        images = find_listed(store, name)

        def tell(address: str) -> None:
            print(f"{len(images.entries):,} labels of {name} to look at: {address} (Ctrl-C ends it)", flush=True)

        asyncio.run(serve_labels(name, images, corrections, place, tell))
    config = json.dumps({"ingest": {"corrections": str(output)}})
    print(f"{output} has {len(corrections.corrections()):,} corrections. They hold in runs that name it:")
    print(f"  graft run --config {shlex.quote(config)} …")
