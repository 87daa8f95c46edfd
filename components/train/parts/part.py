"""Computing the features of a part's share of the images."""

import logging
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.shards.in_use import in_use
from graft.components.common.compute.devices import find_devices
from graft.components.common.progress import doing
from graft.components.common.runs.part_record import PartRecording
from graft.components.common.runs.parts import share_of
from graft.components.train.backbones.weights import Weights
from graft.components.train.config import TrainConfig
from graft.components.train.features.choice import choose_images
from graft.components.train.features.planned import Planned
from graft.components.train.parts.plan import find_work

log = logging.getLogger("graft")


def train_part(dataset: Path, weights: str, config: TrainConfig, part: PartRecording) -> None:
    """Computes the features of a part's share of the images, and leaves them in the store. One that is alone does nothing.

    Args:
        dataset: A Dataset's directory.
        weights: `imagenet`, `random`, or a path or URI of a Keras weights file.
        config: The settings.
        part: The part, which is told how far it is.

    Raises:
        GraftError: The dataset, the weights, the store, a device or a setting can't be used.
    """
    if part.part.alone:
        log.info("There is one part: the step itself does the work.")
        return
    data = Dataset.load(dataset)
    items = share_of(part.run, "train", part.part, lambda: find_work(data, weights, config, part.run.store).to_table())
    planned = Planned.of_table(items, data, config)
    part.begin(len(items))
    if not len(items):
        return
    pretrained = Weights.checked(weights, config)
    with in_use(data), storage.scratch_folder("train") as scratch:
        devices = find_devices(config.require_gpu)
        from graft.components.common.compute.passes import Pace
        from graft.components.train.features.extraction import compute_missing
        from graft.components.train.features.pieces import lacking, pieces_of
        from graft.components.train.network import backbone
        from graft.components.train.network.assembly import build_network

        backbone.number_layers_afresh()
        with devices.strategy.scope():
            doing("building the network")
            network = build_network(config, pretrained.file(scratch), devices.precision)
            for whole in choose_images(data, config).needed:
                if whole.split not in planned.rows:
                    continue
                needed = whole.among(planned.rows[whole.split])
                pieces = pieces_of(part.run.store, config, network, needed.views)
                missing = lacking(needed, pieces)
                part.advance(len(needed.rows) - int(missing.any(axis=0).sum()))
                compute_missing(
                    data,
                    needed,
                    missing,
                    pieces,
                    network,
                    config,
                    Pace(),
                    lambda *_: None,
                    planned.work_of(network.precision, needed.split),
                    part.advance,
                )
