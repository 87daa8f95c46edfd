"""The command that shows the runs of a name."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from graft.components.common.registry.versions import models_in
from graft.components.common.runs.history import read_history
from graft.components.common.runs.past_run import PastRun
from graft.pipelines.cli.output import print_table
from graft.pipelines.local.history_page import HEADER, cells, write_history


def history(
    name: str = "model",
    /,
    *,
    store: str,
    html: Path | None = None,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Lists the runs of a model: images, accuracy, difference from the champion, outcome.

    Args:
        name: The model's name.
        store: Path or URI of the store.
        html: File for a page with the curves over time.
        json_output: Print JSON instead of a table.
    """
    runs = read_history(store, name)
    models = "" if runs else models_in(store)  # first of all: a store that isn't there is no empty one
    if html:
        write_history(html, name, runs)
    if json_output:
        print(json.dumps([dataclasses.asdict(run) for run in runs], indent=2))
        return
    if not runs:
        print(f"There is no run of {name!r} in {store} yet. {models}")
        return
    _print_table(runs)
    if html:
        print(html)


def _print_table(runs: list[PastRun]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in HEADER:
        table.add_column(title, justify="left" if title in ("date", "verdict") else "right")
    for run in runs:
        table.add_row(*(Text(text) for text in cells(run)))
    print_table(table)
