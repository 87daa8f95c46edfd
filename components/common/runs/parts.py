"""A step's work in parts: what there is to do is listed once, and each part takes its share of the list.

A part leaves its results in the store, under names that don't depend on who made them. The step then finds them there, and does what is
missing itself. So a part that is killed, tried again, or runs twice at once changes nothing.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from graft.components.common import storage
from graft.components.common.artifacts.outcomes.part_records import PartRecord, PartsPlan
from graft.components.common.errors import DamagedRecordError, GraftError
from graft.components.common.runs.run import Run
from graft.components.common.steps import FannedStep

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PARTS = 9_999
_ITEMS = "items.parquet"
_READERS = 16
_RECORD = re.compile(r"[1-9][0-9]*\.json")
_PART = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


@dataclasses.dataclass(frozen=True)
class PartNumber:
    """Which part of how many: the second of seven is written 2/7.

    Attributes:
        number: The part's number, from 1 on.
        of: How many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str` writes.

        Raises:
            GraftError: It is no part's number.
        """
        found = _PART.fullmatch(text)
        if not found or int(found[1]) > int(found[2]):
            raise GraftError(f"{text!r} is no part: write it as K/N, such as 2/7 for the second of seven.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """Writes it as `parse` reads it."""
        return f"{self.number}/{self.of}"

    @property
    def alone(self) -> bool:
        """Whether there is no other: then the step itself does the work."""
        return self.of == 1

    def share(self, count: int) -> slice:
        """Returns which of a number of things are this part's: as many as any other's, or one more, and next to each other."""
        return slice(count * (self.number - 1) // self.of, count * self.number // self.of)


def parts_folder(run: Run, step: FannedStep) -> str:
    """Returns the folder of a run's records that is about a step's parts."""
    return f"{run.folder}/parts/{step}"


def plan_parts(run: Run, step: FannedStep, items: "pa.Table", most: int, images: int) -> list[str]:
    """Decides how many parts share a step's work, and keeps the list of it for them.

    Args:
        run: The run, with a store.
        step: The step.
        items: What there is to do, a row an image, neighbours together.
        most: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts as `PartNumber` writes them, at least one.

    Raises:
        GraftError: The store can't be written.
    """
    parts = max(1, min(most, MOST_PARTS, math.ceil(len(items) / images)))
    _keep(run, step, items, parts)
    return [str(PartNumber(number + 1, parts)) for number in range(parts)]


def share_of(run: Run, step: FannedStep, part: PartNumber, list_items: Callable[[], "pa.Table"]) -> "pa.Table":
    """Returns a part's share of a step's work.

    Args:
        run: The run, with a store.
        step: The step.
        part: Which part.
        list_items: Lists all of the work, where nobody has planned it: parts may be started by hand.

    Raises:
        GraftError: The store can't be read or written.
    """
    items = planned_items(run, step)
    if items is None:
        items = list_items()
        _keep(run, step, items, part.of)
    share = part.share(len(items))
    return items.slice(share.start, share.stop - share.start)


def planned_items(run: Run, step: FannedStep) -> "pa.Table | None":
    """Returns all of a step's work as it was planned; None for a step without parts.

    Args:
        run: The run.
        step: The step.

    Raises:
        GraftError: The list is damaged, or the store can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not run.store:
        return None
    uri = f"{parts_folder(run, step)}/{_ITEMS}"
    with storage.scratch_folder("part") as scratch:
        try:
            file = storage.fetch(uri, scratch, keep=False)
            return pq.read_table(file, page_checksum_verification=True, memory_map=False)
        except storage.MissingError:
            return None
        except (pa.ArrowException, OSError) as error:
            raise GraftError(
                f"{storage.redact(uri)} is damaged ({error}): remove it, and the first part lists its work anew."
            ) from error


def read_plan(run: Run, step: FannedStep) -> PartsPlan | None:
    """Returns how a step's work was planned; None for a step without parts.

    Raises:
        DamagedRecordError: The plan is damaged.
        GraftError: The store can't be read.
    """
    uri = f"{parts_folder(run, step)}/{PartsPlan.FILE}"
    try:
        return PartsPlan.parse(storage.read(uri), storage.redact(uri))
    except storage.MissingError:
        return None
    except storage.FileError as error:
        raise DamagedRecordError(str(error)) from error


def read_parts(run: Run, step: FannedStep) -> list[PartRecord]:
    """Returns what a step's parts have on record, by number; nothing of those that have not begun.

    Raises:
        DamagedRecordError: A record is damaged.
        GraftError: The store can't be read.
    """

    def read(uri: str) -> PartRecord:
        return PartRecord.parse(storage.read(uri), storage.redact(uri))

    uris = [entry.uri for entry in storage.list(parts_folder(run, step)) if _RECORD.fullmatch(entry.path)]
    with ThreadPoolExecutor(_READERS) as threads:
        return sorted(threads.map(read, uris), key=lambda record: record.number)


def _keep(run: Run, step: FannedStep, items: "pa.Table", parts: int) -> None:
    """Keeps the list of the work, and then the plan, which says that it is there."""
    import pyarrow.parquet as pq

    folder = parts_folder(run, step)
    with storage.scratch_folder("part") as scratch:
        pq.write_table(items, scratch / _ITEMS, compression="zstd", write_page_checksum=True)
        storage.put(scratch / _ITEMS, f"{folder}/{_ITEMS}")
    plan = PartsPlan(step=step, parts=parts, work=len(items))
    storage.write(f"{folder}/{PartsPlan.FILE}", plan.text().encode())
