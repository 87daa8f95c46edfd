"""The settings of the train step."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Optimizer = Literal["adagrad", "adam", "adamw", "rmsprop", "sgd"]
Schedule = Literal["constant", "cosine"]
Head = Literal["gap", "flatten-dense"]
ImageSize = Annotated[int, Field(ge=75)]  # the least that InceptionV3 takes
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
        schedule: How the learning rate goes: `constant`, or `cosine`, falling to 0 along half a cosine over all epochs.
        batch_size: Images a training step.
        epochs: Passes over the training features at most.
        dropout: Share of the head's inputs dropped in training.
        label_smoothing: Share of a label's certainty that is spread over all classes.
        class_weights: Give each class the same weight in the loss, however many training images it has.
        stop_at_accuracy: Accuracy on the selection images at which training stops; 0 never stops for it.
        patience: Epochs without a better loss on the selection images after which training stops; the best weights are kept.
        selection_fraction: Share of the training images that is set aside to choose the best weights, so that the
            evaluated images stay fresh.
        seed: Seed of everything random.
    """

    backbone: Literal["inception_v3"] = "inception_v3"
    cut: str = "mixed7"
    head: Head = "gap"
    image_size: ImageSize = 150
    optimizer: Optimizer = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    schedule: Schedule = "constant"
    batch_size: Count = 64
    epochs: Count = 60
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: bool = False
    stop_at_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    patience: Count = 10
    selection_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
