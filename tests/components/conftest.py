"""A training on several cuts that predicts the mirror image too, with its store: what parts of train and evaluate are compared with."""

import dataclasses

import pytest
from support import QUICK

from graft.components.train.train import train

JOINED = dataclasses.replace(QUICK, epochs=2, cut="activation+activation_1", mirror=True)


@pytest.fixture(scope="session")
def joined():
    """Its settings."""
    return JOINED


@pytest.fixture(scope="session")
def joined_training(dataset, made_once):
    """A folder of its model and its store."""

    def write(folder):
        folder.mkdir()
        train(dataset, folder / "model", "random", JOINED, str(folder / "store"))

    return made_once("joined", write)
