"""A store in which a run has left a list of labels that are probably wrong."""

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.lists.labels_list import ListedLabel, read_labels, write_labels
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest


def leave_list(source, folder, listed=4, name="pets"):
    """Ingests a source, and lists the first images of its training split. Returns the store and what is listed."""
    run = Run(str(folder / "store"), name, "run-1")
    ingest(str(source), folder / "dataset", IngestConfig(validation_fraction=0.4, leaks="keep"), run=run)
    data = Dataset.load(folder / "dataset")
    index = data.index("train", ["sha256", "path", "label"])
    other = {label: data.classes[number - 1] for number, label in enumerate(data.classes)}
    rows = zip(*(index[column] for column in ("sha256", "path", "label")), strict=True)
    entries = [
        ListedLabel(sha256, path, "train", label, other[label], 0.97 - 0.01 * number)
        for number, (sha256, path, label) in enumerate(rows)
    ]
    chosen = entries[:: max(1, len(entries) // listed)][:listed]
    write_labels(folder / "store" / "models" / name / "runs" / "run-1" / Evaluation.LABELS, chosen)
    return run.store, chosen


def corrections(path):
    """What a list says, by path."""
    with path.open("rb") as file:
        return {row.path: row.correction for row in read_labels(file, str(path))}
