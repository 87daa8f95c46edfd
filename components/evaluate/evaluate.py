"""The evaluate step: the saved model on the images themselves, not on features kept from training."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common import storage
from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.artifacts.dataset import INDEX, TRAIN, Dataset
from graft.components.common.artifacts.evaluation import Comparisons, Evaluation, Foreign
from graft.components.common.artifacts.lists.labels_list import LabelCheck, write_labels
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.outcomes.results import EvaluateResult
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.likeness.pictures import pictures_of
from graft.components.common.compute.predictions import check_finite
from graft.components.common.errors import GraftError
from graft.components.common.progress import doing
from graft.components.common.runs.parts import parts_folder, read_plan
from graft.components.common.runs.run import Run
from graft.components.evaluate.baselines import Baseline, Opened, open_baselines, run_baselines
from graft.components.evaluate.comparison import compare_with
from graft.components.evaluate.config import BASELINES, NONE, EvaluateConfig
from graft.components.evaluate.contamination import LOOKS, known_columns
from graft.components.evaluate.drift import drift_since
from graft.components.evaluate.evaluated import evaluated_split, load_both
from graft.components.evaluate.foreign import find_foreign
from graft.components.evaluate.labels.known_features import Known, gather, why_unknown
from graft.components.evaluate.labels.label_check import check_labels
from graft.components.evaluate.metrics import compute_metrics
from graft.components.evaluate.predictions.answers import Answers, PartAnswers, all_answers
from graft.components.evaluate.predictions.kept_predictions import KeptPredictions
from graft.components.evaluate.predictions.predictions_table import write_predictions
from graft.components.evaluate.report.evaluation_report import write_report
from graft.components.evaluate.report.suspects import draw_suspects
from graft.components.evaluate.selective import answered_part, risk_by_coverage
from graft.components.evaluate.slices import COLUMNS, KINDS, make_slices

Array = np.ndarray[Any, Any]


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
    parts = parts_folder(run, "evaluate") if run.store and read_plan(run, "evaluate") else ""
    with new_artifact(output, Evaluation.FILE), in_use(data), open_baselines(config, run, data.classes) as opened:
        keras_model = load_model(model)
        why_not = why_unknown(training)
        left = PartAnswers(parts, training, data.count(split), seen=not why_not)
        answers = all_answers(keras_model, data, split, index["sha256"], left, seen=not why_not)
        doing("computing the figures")
        check_finite(answers.probabilities, str(model))
        kept = KeptPredictions(run.store, data, split, index["sha256"], parts)
        kept.add(training, answers.probabilities)
        predicted = {training.model_digest: answers.probabilities.argmax(axis=1)}
        baselines = run_baselines(opened.models, data, split, index, predicted, kept)
        known = None if why_not else gather(data, split, answers.seen, training, keras_model, run.store)
        right = predicted[training.model_digest] == _labels(data, index)
        checked, suspects = check_labels(known, data, right) if known else (LabelCheck(reason=why_not), [])
        foreign = find_foreign(known, data, keras_model) if known else Foreign(reason=why_not)
        evaluation = _figures(data, training, split, index, answers, config, opened, baselines, checked, foreign)
        doing("drawing the report")
        champion = baselines.get("champion")
        table = write_predictions(output / Evaluation.PREDICTIONS, data, index, answers.probabilities, champion)
        images, shown = functools.partial(read_encoded, data, split), draw_suspects(data, suspects)
        write_report(output / Evaluation.REPORT, evaluation, training, data, table, images, keras_model, shown)
        write_labels(output / Evaluation.LABELS, (suspect.listed for suspect in suspects))
        evaluation.write(output)
    if run.store:  # there `graft labels` finds it, also if the model doesn't pass the gate
        storage.put(output / Evaluation.LABELS, f"{run.folder}/{Evaluation.LABELS}")
    if parts:
        PartAnswers.remove(parts)
    return _result(output, evaluation, data, kept, answers, known)


def _figures(
    data: Dataset,
    training: Model,
    split: str,
    index: Mapping[str, Sequence[Any]],
    answers: Answers,
    config: EvaluateConfig,
    opened: Opened,
    baselines: Mapping[str, Baseline],
    checked: LabelCheck,
    foreign: Foreign,
) -> Evaluation:
    """Computes the figures of what the new model and the baselines say."""
    probabilities, labels = answers.probabilities, _labels(data, index)
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    compared = {role: compare_with(one, training.model_digest, predicted, labels) for role, one in baselines.items()}
    comparisons = Comparisons(
        champion=compared.get("champion"), anchor=compared.get("anchor"), left_out=opened.left_out
    )
    return Evaluation(
        split=split,
        images=len(labels),
        classes=data.classes,
        metrics=compute_metrics(probabilities, labels, data.classes),
        slices=make_slices(index, right, config.slices),
        comparisons=comparisons,
        drift=drift_since(
            opened.models.get("champion"), data, index, answers.mapped, left_out="champion" in opened.left_out
        ),
        risk_coverage=risk_by_coverage(probabilities, right),
        answered=answered_part(training, probabilities, right),
        labels=checked,
        foreign=foreign,
        trained_twins=_trained_twins(data, training, split),
        selected_on_split=split in (TRAIN, training.selection.split),
        images_per_second=answers.images_per_second,
        dataset_digest=data.digest,
        trained_on_digest=training.dataset_digest,
        model_digest=training.model_digest,
        settings=dataclasses.asdict(config)
        | {role: opened.models[role].uri if role in opened.models else NONE for role in BASELINES},
    )


def _result(
    output: Path, evaluation: Evaluation, data: Dataset, kept: KeptPredictions, answers: Answers, known: Known | None
) -> EvaluateResult:
    return EvaluateResult(
        path=str(output),
        split=evaluation.split,
        images=evaluation.images,
        metrics=evaluation.metrics,
        comparisons=evaluation.comparisons,
        selected_on_split=evaluation.selected_on_split,
        classes=evaluation.classes,
        drift=evaluation.drift.flagged,
        suspected_labels=evaluation.labels.suspected,
        baselines_computed=kept.computed,
        baselines_kept=kept.found,
        bytes_read=sum(data.opened.values())
        + kept.bytes_read
        + answers.bytes_read
        + (known.bytes_read if known else 0),
        bytes_written=kept.bytes_written + (known.bytes_written if known else 0),
    )


def _trained_twins(data: Dataset, training: Model, split: str) -> int:
    """Returns how many images of a split show a picture that trained the model; 0 if it was trained on another dataset, or on the split."""
    if split == TRAIN or training.dataset_digest != data.digest:
        return 0
    evaluated, trained = np.split(pictures_of(data, [split, TRAIN]), [data.count(split)])
    return int(np.isin(evaluated, trained).sum())


def _labels(data: Dataset, index: Mapping[str, Sequence[Any]]) -> Array:
    """Returns the images' labels, int64 [N]."""
    numbers = {name: number for number, name in enumerate(data.classes)}
    return np.array([numbers[name] for name in index["label"]], np.int64)


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
