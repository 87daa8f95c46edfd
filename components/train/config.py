"""The settings of the train step."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Optimizer = Literal["adagrad", "adam", "adamw", "rmsprop", "sgd"]
Head = Literal["gap", "flatten-dense"]
Count = Annotated[int, Field(gt=0)]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the train step.

    Attributes:
        backbone: The pretrained network.
        cut: The layer whose output the head stands on: `mixed10` is the whole network, `mixed7` and lower ones are smaller and faster.
        head: `gap` (global average pooling, standardisation, dropout, dense) or `flatten-dense` (flatten, dense of 1,024
            with ReLU, dropout, dense).
        image_size: Side of the square, in pixels, to which images are resized for the backbone.
        optimizer: Optimizer of the head.
        learning_rate: Its learning rate.
        batch_size: Images a training step.
        epochs: Passes over the training features at most.
        dropout: Share of the head's inputs dropped in training.
        stop_at_accuracy: Accuracy on the selection images at which training stops; 0 never stops for it.
        patience: Epochs without a better loss on the selection images after which training stops; the best weights are kept.
        selection_fraction: Share of the training images that is set aside to choose the best weights, so that the
            evaluated images stay fresh.
        seed: Seed of everything random.
    """

    backbone: Literal["inception_v3"] = "inception_v3"
    cut: str = "mixed7"
    head: Head = "gap"
    image_size: Annotated[int, Field(ge=75)] = 150
    optimizer: Optimizer = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    batch_size: Count = 64
    epochs: Count = 60
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    stop_at_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    patience: Count = 10
    selection_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 0
