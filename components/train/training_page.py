"""The page of a training: learning curves and a sheet of augmented images, which lie beside it as files too."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from graft.components.common.artifacts.dataset import TRAIN, Dataset
from graft.components.common.compute.passes import read_images
from graft.components.common.pages.rendering import render_page
from graft.components.train.config import TrainConfig
from graft.components.train.network.assembly import Network
from graft.components.train.network.augmentation import Augment, live_augmentation
from graft.components.train.network.preprocessing import pixels

CURVES, SHEET = "learning_curves", "augmented_samples.png"
_SHEET_IMAGES, _SHEET_VIEWS = 4, 6
_TRAINING, _SELECTION, _BEST = "#1f6fb2", "#c2410c", "#555555"


def write_page(record: Mapping[str, Any], dataset: Dataset, network: Network, config: TrainConfig, page: Path) -> None:
    """Draws the learning curves as PNG and SVG, augmented images if there are any, and a page of them.

    Args:
        record: The training's record.
        dataset: The dataset.
        network: What stands before the head.
        config: The step's settings.
        page: The page's file; the pictures go beside it.
    """
    folder, figure = page.parent, draw_curves(record)
    figure.savefig(folder / f"{CURVES}.png", dpi=120)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "graft"}):
        figure.savefig(folder / f"{CURVES}.svg", metadata={"Date": None})
    sheet = ""
    augment = live_augmentation(config) if config.augmentation != "off" or config.unfreeze else None
    if augment:
        draw_samples(dataset, network, config, augment).save(folder / SHEET)
        sheet = base64.b64encode((folder / SHEET).read_bytes()).decode()
    svg = (folder / f"{CURVES}.svg").read_text(encoding="utf-8")
    values = {**record, "curves": svg[svg.index("<svg") :], "sheet": sheet}
    page.write_text(render_page("graft.components.train", "training_page.html.j2", values), encoding="utf-8")


def draw_curves(record: Mapping[str, Any]) -> Figure:
    """Draws accuracy and loss by epoch, on the training and the selection images, and names the gap between them.

    Args:
        record: The training's record.
    """
    history, best = record["history"], record["best_epoch"]
    epochs = np.arange(1, len(history) + 1)
    set_aside = "set aside" if record["selection"]["split"] == TRAIN else "validation"
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        training = np.array([entry[name] for entry in history])
        selection = np.array([entry[f"selection_{name}"] for entry in history])
        axes.fill_between(epochs, training, selection, color=_SELECTION, alpha=0.1, linewidth=0)
        axes.plot(epochs, training, ".-", color=_TRAINING, label="training images")
        axes.plot(epochs, selection, ".-", color=_SELECTION, label=f"{set_aside} images")
        if best:
            gap = training[best - 1] - selection[best - 1]
            axes.axvline(best, color=_BEST, linestyle=":", label=f"kept: epoch {best}, gap {gap:+.3f}")
        for phase_end in np.cumsum([phase["epochs"] for phase in record["phases"]])[:-1]:
            axes.axvline(phase_end + 0.5, color=_BEST, linewidth=0.8, label="layers unfrozen")
        axes.set(title=name.capitalize(), xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right" if name == "accuracy" else "upper right")
    return figure


def draw_samples(dataset: Dataset, network: Network, config: TrainConfig, augment: Augment) -> Any:
    """Returns a sheet of training images, one a row: as the backbone sees it, then augmented.

    Args:
        dataset: The dataset.
        network: What stands before the head.
        config: The step's settings.
        augment: How they are augmented.
    """
    rows = []
    step = max(1, dataset.count(TRAIN) // _SHEET_IMAGES)  # the classes follow each other in the shards
    wanted = np.zeros(dataset.count(TRAIN), bool)
    wanted[::step][:_SHEET_IMAGES] = True
    for number, (image, _) in enumerate(read_images(dataset, TRAIN, wanted)):
        plain = network.preprocessing(image[None], training=False)
        augmented = [augment(plain, [config.seed, number * _SHEET_VIEWS + view]) for view in range(1, _SHEET_VIEWS)]
        rows.append(np.hstack([pixels(np.asarray(view)[0], config.scaling) for view in (plain, *augmented)]))
    return Image.fromarray(np.vstack(rows))
