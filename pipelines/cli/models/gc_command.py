"""The commands that look after a store."""

import contextlib
from collections import Counter
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from graft.components.common.progress import progress
from graft.pipelines.local.garbage import Store


def gc(
    *,
    store: str,
    keep_runs: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    min_age_days: Annotated[float, Parameter(validator=Number(gte=0))] = 7.0,
    dataset: tuple[str, ...] = (),
    dry_run: bool = False,
) -> None:
    """Deletes from a store what no version, dataset or recent run needs: images, features, predictions.

    Args:
        store: Path or URI of the store.
        keep_runs: Number of recent runs of each model. What their datasets need stays.
        min_age_days: Files younger than this many days stay: a run in progress may need them.
        dataset: Path or URI of another Dataset in use. Can be given several times.
        dry_run: Print what would be deleted, and delete nothing.
    """
    opened = Store(store)
    found = opened.garbage(keep_runs, min_age_days, dataset)
    with contextlib.ExitStack() as deleting:
        if not dry_run:
            deleting.enter_context(opened.condemn(found))
            condemned = {garbage.path for garbage in found}
            opened = Store(store)  # what steps have begun to use since then is known to this one
            again = opened.garbage(keep_runs, min_age_days, dataset)
            found = [garbage for garbage in again if garbage.path in condemned]
        advance = deleting.enter_context(progress("deleting files", len(found), "files"))
        for garbage in found:
            if not dry_run:
                opened.remove(garbage)
            print(f"{garbage.path}  {garbage.bytes:,} bytes: {garbage.reason}")
            advance(1)
    sizes: Counter[str] = Counter()
    for garbage in found:
        sizes[garbage.reason] += garbage.bytes
    verb = "would be deleted" if dry_run else "deleted"
    print(f"{len(found):,} files of {sum(sizes.values()):,} bytes {verb}; {len(opened.files) - len(found):,} stay.")
