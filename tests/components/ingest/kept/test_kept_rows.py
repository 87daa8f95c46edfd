"""What was checked and stored is not checked again after a kill, and what can't be relied on is."""

import dataclasses
import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from awkward import awkward_files, facts, kept, run_parts, step
from pictures import write_folder

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.runs.parts import read_parts
from graft.components.common.runs.run import Run
from graft.components.ingest.kept import row_file
from graft.components.ingest.kept.row_file import AboutRows, parse
from graft.pipelines.cli.app import app

FILES = awkward_files()

# A process that gets SIGKILL when the store has so many files of rows and is about to have another one.
KILLED = """
import io, os, signal, sys, threading
import pyarrow.parquet as pq
from awkward import *
from graft.components.common import storage
from graft.components.ingest.kept.row_file import AboutRows
store, source, output, rows, part = sys.argv[1:]
write, written, one_by_one = storage.write, [], threading.RLock()
def kill(uri, content):
    if "/rows/" not in uri:
        return write(uri, content)
    with one_by_one:
        if len(written) == int(rows):
            os.kill(os.getpid(), signal.SIGKILL)
        with pq.ParquetFile(io.BytesIO(content)) as file:
            if not storage.exists(AboutRows.of(file.metadata).shard.uri):
                os._exit(3)  # the shard comes first
        write(uri, content)
        written.append(uri)
storage.write = kill
run = Run(store, "pets", "run-1")
if part:
    run_parts(source, run, 2, numbers=[part])
else:
    step(source, Path(output), run)
"""


def kill(tmp_path, source, rows, part=""):
    """Has a process killed that ingests, or does a part of it."""
    arguments = [str(tmp_path / "store"), str(source), str(tmp_path / "killed"), str(rows), part]
    paths = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parents[3])))
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "store"), "pets", "run-1")


def known(run):
    """How many files the rows in the store are about."""
    return sum(pq.read_metadata(file).num_rows for file in kept(run))


def test_an_ingest_that_was_killed_goes_on_where_it_was(tmp_path, run, awkward, alone, decoded):
    kill(tmp_path, awkward, 1)
    assert len(kept(run)) == 1 and known(run) > 20
    before = known(run)
    result = step(awkward, tmp_path / "again", dataclasses.replace(run, run_id="run-2"))
    assert facts(tmp_path / "again", result) == alone
    assert len(decoded) == len(FILES) - before
    assert not kept(run)


def test_a_killed_part_is_tried_again_and_checks_only_the_rest(tmp_path, run, awkward, alone, decoded):
    kill(tmp_path, awkward, 1, "2/2")
    before = known(run)
    assert before > 20 and read_parts(run, "ingest")[0].status == "running"
    run_parts(awkward, run, 2)
    assert len(decoded) == len(FILES) - before
    assert [part.done for part in read_parts(run, "ingest")] == [len(FILES) // 2, len(FILES) - len(FILES) // 2]
    assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", run)) == alone
    assert len(decoded) == len(FILES) - before


def test_a_small_ingest_keeps_no_rows(tmp_path, run, monkeypatch):
    few = {path: FILES[path] for path in list(FILES)[::6]}
    uris, write = [], row_file.storage.write
    monkeypatch.setattr(row_file.storage, "write", lambda uri, content: uris.append(uri) or write(uri, content))
    step(write_folder(tmp_path / "few", few), tmp_path / "dataset", run)
    assert uris and not [uri for uri in uris if "/rows/" in uri]


def flip(content):
    """A byte of the content is another one."""
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


def written(table, about):
    """A file of rows and its name, which is its digest."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="none", use_dictionary=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(about.text() if about else {})
    content = sink.getvalue().to_pybytes()
    return content, hashlib.sha256(content).hexdigest()


def put(name, value, image=True):
    """Puts another value into a column's first row that is an image, or is none."""

    def change(table, about):
        place, field = table.schema.names.index(name), table.schema.field(name)
        values = table[name].to_pylist()
        values[pc.index(pc.is_valid(table["record"]), image).as_py()] = value
        return table.set_column(place, field, pa.array(values, field.type)), about

    return change


def shard(**fields):
    return lambda table, about: (table, about.model_copy(update={"shard": about.shard.model_copy(update=fields)}))


HOSTILE = {
    "no text about it": lambda table, about: (table, None),
    "another Graft": lambda table, about: (table, about.model_copy(update={"graft_version": "0.0.1"})),
    "a column less": lambda table, about: (table.drop_columns("offset"), about),
    "a column of another type": lambda table, about: (
        table.set_column(0, table.schema.names[0], table.column(0).cast(pa.binary())),
        about,
    ),
    "no digest": put("sha256", "../../etc/passwd"),
    "no path": put("path", None),
    "no look": put("phash", "f" * 15),
    "a record below": put("record", -1),
    "a record above": put("record", 10**6),
    "an offset above": put("offset", 2**40),
    "no width": put("width", 0),
    "no number": put("brightness", float("nan")),
    "no miniature": put("miniature", None),
    "no size": put("bytes", -1),
    "no path of what is no image": put("path", None, image=False),
    "neither a reason nor a digest": put("reason", None, image=False),
    "a reason and a digest": put("sha256", "0" * 64, image=False),
    "no shard": lambda table, about: (table, about.model_copy(update={"shard": None})),
    "a shard elsewhere": shard(uri="/etc/passwd"),
    "a shard of another name": shard(sha256="0" * 64),
}


@pytest.mark.parametrize(
    "damage", [flip, lambda content: content[:1000], lambda content: b""], ids=["flipped", "cut", "empty"]
)
def test_rows_that_are_damaged_are_passed_over_and_the_log_says_so(
    tmp_path, shared_out, awkward, alone, decoded, caplog, damage
):
    file = max(kept(shared_out), key=lambda file: file.stat().st_size)
    rows = pq.read_metadata(file).num_rows
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING, "graft"):
        assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", shared_out)) == alone
    (said,) = (message for message in caplog.messages if "passed over" in message)
    assert "checked anew" in said and "\n" not in said
    assert 20 < rows == len(decoded) < len(FILES) / 2
    assert len(kept(shared_out)) == 1  # which gc will remove


@pytest.fixture(scope="module")
def rows(shared_out_once):
    """A file of rows: the folder of its store's shards, its table and what it says of itself."""
    run, folder = shared_out_once
    file = max(kept(dataclasses.replace(run, store=str(folder / "kept"))), key=lambda file: file.stat().st_size)
    table, stored = parse(file.read_bytes(), file.stem, f"{run.store}/shards")
    return f"{run.store}/shards", table, AboutRows(shard=stored)


def test_rows_come_back_as_they_went_in(rows):
    shards, table, about = rows
    assert parse(*written(table, about), shards) == (table, about.shard)
    assert table["reason"].null_count < len(table) > table["thumbnail"].null_count


@pytest.mark.parametrize("kind", HOSTILE)
def test_rows_that_are_whole_but_cant_be_are_refused(rows, kind):
    shards, table, about = rows
    with pytest.raises((ValueError, pa.ArrowException)):
        parse(*written(*HOSTILE[kind](table, about)), shards)


@pytest.mark.parametrize("days", [0, 8])
def test_gc_between_the_parts_and_the_step(tmp_path, shared_out, awkward, alone, decoded, days):
    for path in Path(shared_out.store).rglob("*"):
        os.utime(path, (time.time() - days * 86400,) * 2)
    app(["gc", "--store", shared_out.store, "--keep-runs", "1"], result_action="return_value")
    assert facts(tmp_path / "parts", step(awkward, tmp_path / "parts", shared_out)) == alone
    assert bool(decoded) == bool(days)


def test_gc_is_told_of_the_shards_that_a_step_has_found(tmp_path, shared_out, awkward, monkeypatch):
    for path in Path(shared_out.store).rglob("*"):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    from graft.components.ingest import ingest as module

    assign = module.assign_splits

    def collect_first(*arguments):
        app(["gc", "--store", shared_out.store, "--keep-runs", "1"], result_action="return_value")
        return assign(*arguments)

    monkeypatch.setattr(module, "assign_splits", collect_first)
    step(awkward, tmp_path / "parts", shared_out)
    shards = Dataset.load(tmp_path / "parts").shards
    assert len(shards) >= 4 and all(Path(shard.uri).is_file() for shard in shards)


def test_rows_that_cant_be_removed_are_no_failure(tmp_path, shared_out, awkward, monkeypatch, caplog):
    from graft.components.common.errors import GraftError

    delete = row_file.storage.delete

    def refuse(uri):
        if "/rows/" in uri:
            raise GraftError("This account may not.")
        delete(uri)

    monkeypatch.setattr(row_file.storage, "delete", refuse)
    step(awkward, tmp_path / "parts", shared_out)
    assert "can't be removed: This account may not." in caplog.text
