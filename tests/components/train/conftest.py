"""Settings with which training on the small dataset takes seconds, and a Model of some."""

import dataclasses

import pytest
from support import BLOCK, QUICK

from graft.components.train.train import train

UNFREEZING = {"unfreeze": "conv2d_3..mixed0", "unfreeze_learning_rate": 1e-5, "unfreeze_epochs": 2, "patience": 9}


@pytest.fixture
def quick():
    return dataclasses.replace(QUICK, epochs=3)


@pytest.fixture(scope="session")
def unfreezing():
    """Settings that unfreeze layers, which makes the model better."""
    return dataclasses.replace(BLOCK, epochs=3, dropout=0.0, **UNFREEZING)


@pytest.fixture(scope="session")
def unfrozen_model(dataset, unfreezing, made_once):
    """The Model of a training with these settings."""
    return made_once("unfrozen-model", lambda folder: train(dataset, folder, "random", unfreezing))
