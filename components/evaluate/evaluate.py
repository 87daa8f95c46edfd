"""The evaluate step: the saved model on the images themselves, not on features kept from training."""

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.components.common import storage
from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.dataset import INDEX, TRAIN, Dataset
from graft.components.common.artifacts.evaluation import Comparisons, Evaluation, Foreign
from graft.components.common.artifacts.lists.labels_list import LabelCheck, write_labels
from graft.components.common.artifacts.outcomes.results import EvaluateResult
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.predictions import check_finite, predict
from graft.components.common.errors import GraftError
from graft.components.common.progress import doing
from graft.components.common.runs.run import Run
from graft.components.evaluate.baselines import Baseline, open_baselines, run_baselines
from graft.components.evaluate.comparison import compare_with
from graft.components.evaluate.config import BASELINES, NONE, EvaluateConfig
from graft.components.evaluate.contamination import LOOKS, known_columns
from graft.components.evaluate.drift import drift_since
from graft.components.evaluate.evaluated import evaluated_split, load_both
from graft.components.evaluate.foreign import find_foreign
from graft.components.evaluate.kept_predictions import KeptPredictions
from graft.components.evaluate.labels.known_features import SeenFeatures, gather, why_unknown
from graft.components.evaluate.labels.label_check import check_labels
from graft.components.evaluate.metrics import compute_metrics
from graft.components.evaluate.report.evaluation_report import write_report
from graft.components.evaluate.report.suspects import draw_suspects
from graft.components.evaluate.selective import answered_part, risk_by_coverage
from graft.components.evaluate.slices import COLUMNS, KINDS, make_slices

Array = np.ndarray[Any, Any]

_ROWS = 2**14  # of the predictions are written at once: another copy of all would take as much memory as they do


def evaluate(
    model: Path,
    dataset: Path,
    output: Path,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008 (frozen)
    run: Run = Run(),  # noqa: B008
) -> EvaluateResult:
    """Runs a saved model on a split's images and writes figures, predictions and a report.

    >>> result = evaluate(model, dataset, folder / "evaluation")
    >>> result.split, result.images
    ('validation', 20)
    >>> 0 <= result.metrics.accuracy <= 1
    True
    >>> sorted(file.name for file in (folder / "evaluation").iterdir())
    ['evaluation.json', 'labels.csv', 'predictions.parquet', 'report.html']

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.
        output: Directory for the Evaluation; it must be empty or not exist.
        config: The split, the baselines and the slices.
        run: The run; unless `config` names baselines, they come from the registry in its store, if it has one.

    Raises:
        GraftError: Model or dataset can't be used or don't belong together; nothing is left in `output`.
    """
    data, training = load_both(model, dataset)
    split = evaluated_split(data, config)
    index = _read_index(data, split, config)
    with new_artifact(output, Evaluation.FILE), in_use(data), open_baselines(config, run, data.classes) as models:
        keras_model = load_model(model)
        start, seen, why_not = time.monotonic(), SeenFeatures(data.count(split)), why_unknown(training)
        put = None if why_not else seen.put
        probabilities, labels, features = predict(keras_model, data, split, "evaluating images", put)
        seconds = time.monotonic() - start
        doing("computing the figures")
        check_finite(probabilities, str(model))
        predicted, digest = probabilities.argmax(axis=1), training.model_digest
        right = predicted == labels
        kept = KeptPredictions(run.store, data, split, index["sha256"])
        kept.add(training, probabilities)
        baselines = run_baselines(models, data, split, index, {digest: predicted}, kept)
        compared = {role: compare_with(found, digest, predicted, labels) for role, found in baselines.items()}
        known = None if why_not else gather(data, split, seen.vectors, training, keras_model, run.store)
        checked, suspects = check_labels(known, data, right) if known else (LabelCheck(reason=why_not), [])
        evaluation = Evaluation(
            split=split,
            images=len(labels),
            classes=data.classes,
            metrics=compute_metrics(probabilities, labels, data.classes),
            slices=make_slices(index, right, config.slices),
            comparisons=Comparisons(champion=compared.get("champion"), anchor=compared.get("anchor")),
            drift=drift_since(models.get("champion"), data, index, features),
            risk_coverage=risk_by_coverage(probabilities, right),
            answered=answered_part(training, probabilities, right),
            labels=checked,
            foreign=find_foreign(known, data, keras_model) if known else Foreign(reason=why_not),
            selected_on_split=split in (TRAIN, training.selection.split),
            images_per_second=round(len(labels) / seconds, 1),
            dataset_digest=data.digest,
            trained_on_digest=training.dataset_digest,
            model_digest=digest,
            settings=dataclasses.asdict(config)
            | {role: models[role].uri if role in models else NONE for role in BASELINES},
        )
        doing("drawing the report")
        champion = baselines.get("champion")
        predictions = _write_predictions(output / Evaluation.PREDICTIONS, data, index, probabilities, champion)
        images = functools.partial(read_encoded, data, split)
        shown = draw_suspects(data, suspects)
        write_report(output / Evaluation.REPORT, evaluation, training, data, predictions, images, keras_model, shown)
        write_labels(output / Evaluation.LABELS, (suspect.listed for suspect in suspects))
        evaluation.write(output)
    if run.store:  # there `graft labels` finds it, also if the model doesn't pass the gate
        storage.put(output / Evaluation.LABELS, f"{run.folder}/{Evaluation.LABELS}")
    return EvaluateResult(
        path=str(output),
        split=split,
        images=evaluation.images,
        metrics=evaluation.metrics,
        comparisons=evaluation.comparisons,
        selected_on_split=evaluation.selected_on_split,
        classes=evaluation.classes,
        drift=evaluation.drift.flagged,
        suspected_labels=checked.suspected,
        baselines_computed=kept.computed,
        baselines_kept=kept.found,
        bytes_read=sum(data.opened.values()) + kept.bytes_read + (known.bytes_read if known else 0),
        bytes_written=kept.bytes_written + (known.bytes_written if known else 0),
    )


def _read_index(data: Dataset, split: str, config: EvaluateConfig) -> dict[str, list[Any]]:
    """Reads what identifies the evaluated images and what slices are made from.

    Raises:
        GraftError: The dataset is damaged, or lacks a column that a slice is to be made from.
    """
    known = [name for name in data.columns if name not in KINDS]
    if unknown := [name for name in config.slices if name not in known]:
        remedy = f"there are {', '.join(map(repr, known))}" if known else "no manifest brought further columns"
        raise GraftError(f"{data.path} has no column {unknown[0]!r} to make slices of: {remedy}.")
    looks = known_columns(data.path / INDEX, LOOKS, str(data.path))
    return data.index(split, list(dict.fromkeys([*looks, *COLUMNS, *config.slices])))


def _write_predictions(
    path: Path, data: Dataset, index: dict[str, list[Any]], probabilities: Array, champion: Baseline | None
) -> pa.Table:
    """Writes a row an image: its identity, true and predicted class, a probability a class, and the champion's answer.

    The champion has no answer for contaminated images.

    Returns:
        The table, with the probability of the predicted class alone.
    """
    classes = pa.array(data.classes, pa.string())
    predicted = probabilities.argmax(axis=1)
    first = {name: pa.array(index[name], pa.string()) for name in ("sha256", "path", "label")}
    first["predicted"] = classes.take(pa.array(predicted))
    last = (
        {} if champion is None else {"champion": classes.take(pa.array(champion.predicted, mask=champion.contaminated))}
    )
    schema = pa.schema(
        [
            *((name, pa.string()) for name in first),
            *((f"probability_{name}", pa.float32()) for name in data.classes),
            *((name, pa.string()) for name in last),
        ]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(probabilities), _ROWS):
            identity, answers = ([column.slice(start, _ROWS) for column in part.values()] for part in (first, last))
            columns = [pa.array(column) for column in probabilities[start : start + _ROWS].T]
            writer.write_table(pa.table([*identity, *columns, *answers], schema=schema))
    return pa.table(first | {"confidence": probabilities[np.arange(len(predicted)), predicted]} | last)
