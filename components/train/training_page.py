"""The page of a training: learning curves and a sheet of augmented images, which lie beside it as files too."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.passes import read_images
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.pages.learning_curves import learning_charts, write_learning_curves
from graft.components.common.pages.rendering import render_page
from graft.components.train.config import TrainConfig
from graft.components.train.network.assembly import Network
from graft.components.train.network.augmentation import Augment, live_augmentation
from graft.components.train.network.preprocessing import pixels

PAGE = "training.html"
CURVES, SHEET = "learning_curves", "augmented_samples.png"
_SHEET_IMAGES, _SHEET_VIEWS = 4, 6


def write_page(model: Model, dataset: Dataset, network: Network, config: TrainConfig, page: Path) -> None:
    """Draws the learning curves as PNG and SVG, augmented images if there are any, and a page of both.

    Args:
        model: The record of the training.
        dataset: Holds the images of which some are shown augmented.
        network: What stands before the head.
        config: Says whether and how images are augmented.
        page: The page's file; the pictures go beside it.
    """
    folder, sheet = page.parent, ""
    record = model.model_dump(mode="json")
    write_learning_curves(model, folder / CURVES)
    augment = live_augmentation(config) if config.augmentation != "off" or config.unfreeze else None
    if augment:
        draw_samples(dataset, network, config, augment).save(folder / SHEET)
        sheet = base64.b64encode((folder / SHEET).read_bytes()).decode()
    limits = (config.epochs, config.unfreeze_epochs)
    values = {**record, "curves": learning_charts(model), "sheet": sheet, "limits": limits}
    page.write_text(render_page("graft.components.train", "training_page.html.j2", values), encoding="utf-8")


def draw_samples(dataset: Dataset, network: Network, config: TrainConfig, augment: Augment) -> Any:
    """Returns a sheet of training images, one a row: as the backbone sees it, then augmented.

    Args:
        dataset: Holds the images.
        network: Shows an image as the backbone sees it.
        config: Gives seed and scaling.
        augment: Augments float32 [N, H, W, 3], as the backbone sees images, by a seed of two numbers.
    """
    tf = import_tensorflow()
    change = tf.function(augment, autograph=False)  # twenty calls by its own operations take seconds
    rows = []
    step = max(1, dataset.count(TRAIN) // _SHEET_IMAGES)  # the classes follow each other in the shards
    wanted = np.zeros(dataset.count(TRAIN), bool)
    wanted[::step][:_SHEET_IMAGES] = True
    for number, (image, _) in enumerate(read_images(dataset, TRAIN, wanted, network.preprocessing)):
        plain = image[None]
        seeds = [tf.constant([config.seed, number * _SHEET_VIEWS + view], tf.int64) for view in range(1, _SHEET_VIEWS)]
        augmented = [change(plain, seed) for seed in seeds]
        rows.append(np.hstack([pixels(np.asarray(view)[0], config.scaling) for view in (plain, *augmented)]))
    return Image.fromarray(np.vstack(rows))
