"""Running the models on a part's share of the evaluated images."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.predictions import check_finite
from graft.components.common.runs.part_record import PartRecording
from graft.components.common.runs.parts import parts_folder, share_of
from graft.components.evaluate.baselines import open_baselines
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluated import evaluated_split, load_both
from graft.components.evaluate.labels.known_features import why_unknown
from graft.components.evaluate.parts.plan import rows_of, to_answer
from graft.components.evaluate.predictions.answers import PartAnswers, ask
from graft.components.evaluate.predictions.kept_predictions import KeptPredictions

log = logging.getLogger("graft")

Array = np.ndarray[Any, Any]


def evaluate_part(model: Path, dataset: Path, config: EvaluateConfig, part: PartRecording) -> None:
    """Runs the models on a part's share of the evaluated images. One that is alone does nothing: the step itself will.

    What they say is left in the folder of the run: the new model's answers of all images, and the baselines' of those for which none are
    kept.

    Args:
        model: A Model's directory.
        dataset: A Dataset's directory.
        config: The split and the baselines.
        part: The part.

    Raises:
        GraftError: Model or dataset can't be used or don't belong together, or the store can't be read or written.
    """
    if part.part.alone:
        log.info("There is one part: the step itself does the work.")
        return
    data, training = load_both(model, dataset)
    split = evaluated_split(data, config)
    rows = rows_of(share_of(part.run, "evaluate", part.part, lambda: to_answer(data, split)), data, split)
    part.begin(len(rows))
    if not len(rows):
        return
    wanted = np.zeros(data.count(split), bool)
    wanted[rows] = True
    sha256s = data.index(split, ["sha256"])["sha256"]
    kept = KeptPredictions(part.run.store, data, split, sha256s, parts_folder(part.run, "evaluate"))
    with in_use(data), open_baselines(config, part.run, data.classes) as opened:
        others = {one.digest: (role, one) for role, one in opened.models.items() if one.digest != training.model_digest}
        for role, one in others.values():
            kept.leave(one, f"evaluating the {role}", wanted)
        _answer(model, training, data, split, sha256s, wanted, part)


def _answer(
    model: Path, training: Model, data: Dataset, split: str, sha256s: list[str], wanted: Array, part: PartRecording
) -> None:
    """Runs the new model on those of some images, bool [N], that no earlier attempt ran it on."""
    seen, rows = not why_unknown(training), np.flatnonzero(wanted)
    left = PartAnswers(parts_folder(part.run, "evaluate"), training, len(sha256s), seen=seen)
    missing = wanted.copy()
    missing[rows] = left.lacking([sha256s[row] for row in rows.tolist()])
    count, written = int(missing.sum()), 0
    part.advance(len(rows) - count)
    if not count:
        return
    done = 0

    def put(now: Array, answers: tuple[Array, Array, Array]) -> None:
        nonlocal done, written
        check_finite(answers[0], str(model))
        done += len(now)
        if left.keep([sha256s[row] for row in now.tolist()], answers):
            part.advance(done - written)
            written = done

    ask(load_model(model), data, split, missing, seen, put)
    left.flush()
    part.advance(count - written)
