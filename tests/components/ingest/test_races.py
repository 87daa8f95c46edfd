"""Ingests at the same time: one output has one owner, one store serves all, and what is finished is whole."""

import hashlib
import os
import threading

import matplotlib.figure
import matplotlib.ticker  # noqa: F401 (matplotlib can't be imported first by two threads at once)
from pictures import encoded, noise, write_folder

from graft.components.common.artifacts.dataset import INDEX, Dataset
from graft.components.common.errors import GraftError
from graft.components.common.pages.charts import chart
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.ingest.report import histograms

TRIALS = int(os.environ.get("GRAFT_RACE_TRIALS", "3"))
CONFIG = IngestConfig(validation_fraction=0.4)


def all_at_once(*works):
    """Runs each in a thread of its own; returns what they returned or were refused with."""
    start, outcomes = threading.Barrier(len(works)), []

    def begin(work):
        start.wait()
        try:
            outcomes.append(work())
        except GraftError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == len(works)
    return outcomes


def is_whole(dataset):
    shards = Dataset.load(dataset).shards
    assert (dataset / INDEX).is_file() and not (dataset / ".unfinished").exists()
    for shard in shards:
        assert hashlib.sha256((dataset / shard.uri).read_bytes()).hexdigest() == shard.sha256


def test_ingest_against_ingest(tmp_path, monkeypatch):
    monkeypatch.setattr(histograms, "chart", chart)  # by all of them at once, too
    source = write_folder(
        tmp_path / "source",
        {
            f"{label}/{seed}.jpg": encoded(noise(seed + 50 * (label == "dogs")))
            for label in ("cats", "dogs")
            for seed in range(8)
        },
    )
    store = tmp_path / "store"
    for trial in range(TRIALS):
        one, other = tmp_path / f"one-{trial}", tmp_path / f"other-{trial}"
        runs = [
            (one, "", ""),
            (one, "", ""),
            (other, str(store), f"run-{trial}-a"),
            (other, str(store), f"run-{trial}-b"),
        ]
        outcomes = all_at_once(
            *(
                lambda output=output, kept=kept, run=run: ingest(str(source), output, CONFIG, run=Run(kept, run_id=run))
                for output, kept, run in runs
            )
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, GraftError)]
        assert len(refused) == 2
        assert all("is being filled by" in str(error) or "finished result" in str(error) for error in refused)
        is_whole(one)
        is_whole(other)
    assert not [path for path in store.rglob("*") if path.name.endswith(".part")]
