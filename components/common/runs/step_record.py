"""The run record: each step's own account of how it ended, kept in the store."""

import contextlib
import dataclasses
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from graft.components.common import storage
from graft.components.common.artifacts.records import SCHEMA_VERSION, utc_now
from graft.components.common.errors import DamagedRecordError, GateFailedError, GraftError

log = logging.getLogger("graft")

_CANCELLED = "cancelled"
STEPS = ("resolve", "ingest", "train", "evaluate", "gate", "export")
StepRecords = dict[str, dict[str, Any]]
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class _KeptRecord(BaseModel):
    """What every step's record holds."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    schema_version: int
    step: str
    status: str
    error: str | None
    summary: str
    started: str
    seconds: float
    outcome: dict[str, Any] | None


def is_safe_name(value: str) -> bool:
    """Tells whether a name can become part of a path: letters, digits, dot, dash and underscore, starting with a letter or digit.

    Args:
        value: The name.
    """
    return _SAFE_NAME.fullmatch(value) is not None


def check_name(what: str, value: str) -> None:
    """Checks a name that becomes part of a path.

    Args:
        what: What it names, for the message.
        value: The name.

    Raises:
        GraftError: It has a character other than letters, digits, dot, dash and underscore.
    """
    if not is_safe_name(value):
        raise GraftError(
            f"{value!r} can't be a {what}: use letters, digits, '.', '_' and '-', starting with a letter or digit."
        )


def new_run_id() -> str:
    """Returns an identifier for a run, made of the time, that no other run has."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclasses.dataclass(frozen=True)
class Run:
    """Which run a step belongs to, and where its record is kept.

    Attributes:
        store: The store's path or URI; empty for a step that runs alone and keeps no run record.
        name: The model's name.
        run_id: The run's identifier, unique within the name.
    """

    store: str = ""
    name: str = "model"
    run_id: str = ""

    def __post_init__(self) -> None:
        """Refuses names that would not stay inside their folder.

        Raises:
            GraftError: A name has a character other than letters, digits, dot, dash and underscore.
        """
        if self.store:
            check_name("name", self.name)
            check_name("run id", self.run_id)

    @property
    def folder(self) -> str:
        """The folder of the run's records in the store."""
        return f"{self.store.rstrip('/')}/models/{self.name}/runs/{self.run_id}"


class StepRecord:
    """What a step says of itself while it runs.

    Attributes:
        run: The run that the step belongs to.
        outcome: The step's result dataclass, set when the work is done.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.outcome: Any = None


@contextlib.contextmanager
def recorded(step: str, run: Run) -> Iterator[StepRecord]:
    """Runs a step's work and writes its run record when it ends, also when it fails.

    Args:
        step: The step's name.
        run: The run it belongs to; without a store nothing is written.

    Yields:
        The record, whose `outcome` the caller sets.
    """
    record = StepRecord(run)
    started, clock = utc_now(), time.monotonic()
    error: BaseException | None = None
    try:
        yield record
    except BaseException as raised:
        error = raised
        record.outcome = raised.outcome if isinstance(raised, GateFailedError) else None
        raise
    finally:
        if run.store:
            outcome = None if record.outcome is None else dataclasses.asdict(record.outcome)
            summary = str(error) or type(error).__name__ if error else getattr(record.outcome, "summary", "")
            content = {
                "schema_version": SCHEMA_VERSION,
                "step": step,
                "status": "failed" if error else "succeeded",
                "error": type(error).__name__ if error else None,
                "summary": summary,
                "started": started,
                "seconds": round(time.monotonic() - clock, 3),
                "outcome": outcome,
            }
            _write(run, step, content, must_succeed=error is None)


def _write(run: Run, step: str, content: dict[str, Any], *, must_succeed: bool) -> None:
    """Writes a step's record; when the step itself failed, a failure here must not hide the reason."""
    uri = f"{run.folder}/{step}.json"
    try:
        fs, path = storage.filesystem(uri)
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        with fs.transaction, fs.open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False, default=str)
    except Exception as error:
        if must_succeed:
            raise GraftError(f"the run record {storage.redact(uri)} can't be written: {error}.") from error
        log.error("the run record %s can't be written: %s", storage.redact(uri), error)


def read_run(run: Run) -> StepRecords:
    """Reads the records of all steps of a run that have ended.

    Returns:
        The records by step, in the order of the pipeline.

    Raises:
        DamagedRecordError: A record is damaged or of an unknown schema version.
        GraftError: The store can't be read.
    """
    records = {step: read_step(run, step) for step in STEPS}
    return {step: record for step, record in records.items() if record is not None}


def read_step(run: Run, step: str) -> dict[str, Any] | None:
    """Reads the record of a step; None if it has not ended.

    Args:
        run: The run.
        step: The step's name.

    Raises:
        DamagedRecordError: The record is damaged or of an unknown schema version.
        GraftError: The store can't be read.
    """
    uri = f"{run.folder}/{step}.json"
    fs, path = storage.filesystem(uri)
    with storage.access(uri):
        try:  # not exists(), which takes any failure for absence
            content = fs.cat_file(path)
        except FileNotFoundError:
            return None
    try:
        record = _KeptRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise DamagedRecordError(f"{storage.redact(uri)} is damaged ({field}{first['msg']}): remove it.") from error
    if record.schema_version not in (SCHEMA_VERSION, SCHEMA_VERSION - 1):
        raise DamagedRecordError(
            f"{storage.redact(uri)} has schema version {record.schema_version}, and this Graft reads {SCHEMA_VERSION}: use the Graft "
            "that wrote it."
        )
    return record.model_dump()


def mark_cancelled(run: Run) -> None:
    """Notes in the store that a run was cancelled; where that fails, it is logged: the run is cancelled all the same.

    Args:
        run: The run; without a store nothing is noted.
    """
    if not run.store:
        return
    _write(run, _CANCELLED, {"schema_version": SCHEMA_VERSION, "cancelled": utc_now()}, must_succeed=False)


def was_cancelled(run: Run) -> bool:
    """Tells whether a run was noted as cancelled.

    Args:
        run: The run.

    Raises:
        GraftError: The store can't be read.
    """
    uri = f"{run.folder}/{_CANCELLED}.json"
    fs, path = storage.filesystem(uri)
    with storage.access(uri):
        try:
            fs.info(path)
        except FileNotFoundError:
            return False
    return True


@contextlib.contextmanager
def component_step(step: str, store: str, name: str, run_id: str) -> Iterator[StepRecord]:
    """What every component does around its step: log lines, the run record, and errors as one sentence.

    Args:
        step: The step's name.
        store: As in `Run`.
        name: As in `Run`.
        run_id: As in `Run`; of a resource name with slashes, which is what Vertex tells its steps, the last part.

    Yields:
        The record, whose `outcome` the component sets.

    Raises:
        SystemExit: The step failed in a way that its message explains; KFP then shows that sentence and no traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        with recorded(step, Run(store, name, run_id.rpartition("/")[2])) as record:
            yield record
    except (GraftError, OSError) as error:
        raise SystemExit(f"graft {step}: {error}") from error
    log.info("%s: %s", step, getattr(record.outcome, "summary", "done"))
