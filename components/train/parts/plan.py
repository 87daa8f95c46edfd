"""Listing the images whose features a training lacks, and sharing them out to parts."""

from pathlib import Path

import numpy as np

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.runs.parts import plan_parts
from graft.components.common.runs.run import Run
from graft.components.train.backbones.weights import Weights
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import choose_images
from graft.components.train.features.planned import Planned, Work, deciding

_PRECISIONS = ("float32", "mixed_float16")


def plan_train(dataset: Path, weights: str, config: TrainConfig, run: Run, parts: int, images: int) -> list[str]:
    """Lists the images whose features are not in the store, and decides how many parts compute them.

    It needs no GPU, but TensorFlow: what features are kept under has the digest of the backbone's weights, which a built network tells.

    Args:
        dataset: A Dataset's directory.
        weights: `imagenet`, `random`, or a path or URI of a Keras weights file.
        config: The settings.
        run: The run, with a store.
        parts: How many parts there may be.
        images: How many images a part is worth.

    Returns:
        The parts, as `PartNumber` writes them.

    Raises:
        GraftError: The dataset, the weights, the store or a setting can't be used.
    """
    data = Dataset.load(dataset)
    return plan_parts(run, "train", find_work(data, weights, config, run.store).to_table(), parts, images)


def find_work(data: Dataset, weights: str, config: TrainConfig, store: str) -> Planned:
    """Finds the images whose features are not in the store.

    The backbone's precision is a matter of the devices, which are others where the training runs: of the two it takes the one that
    fewer images lack features of.

    Args:
        data: Holds the images.
        weights: As in `plan_train`.
        config: The settings.
        store: Path or URI of the store.

    Raises:
        GraftError: As in `plan_train`.
    """
    pretrained = Weights.checked(weights, config)
    chosen = choose_images(data, config)
    import_tensorflow()
    from graft.components.train.features.pieces import lacking, pieces_of
    from graft.components.train.network.assembly import build_network
    from graft.components.train.network.backbone import number_layers_afresh

    number_layers_afresh()
    with storage.scratch_folder("train") as scratch:
        network = build_network(config, pretrained.file(scratch))
    rows: dict[str, dict[str, np.ndarray]] = {}
    work: dict[str, dict[str, Work]] = {}
    for precision in _PRECISIONS:
        rows[precision], work[precision] = {}, {}
        for needed in chosen.needed:
            pieces = pieces_of(store, config, network, needed.views, precision)
            missing = lacking(needed, pieces)
            views = {piece.view for piece, is_missing in zip(pieces, missing, strict=True) if is_missing.any()}
            rows[precision][needed.split] = np.sort(needed.rows[missing.any(axis=0)])
            work[precision][needed.split] = Work(int(missing.any(axis=0).sum()), tuple(sorted(views)))
    least = min(_PRECISIONS, key=lambda precision: sum(map(len, rows[precision].values())))
    return Planned(data.digest, deciding(config), rows[least], work)
