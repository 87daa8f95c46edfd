"""The settings of the train step."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Optimizer = Literal["adagrad", "adam", "adamw", "rmsprop", "sgd"]
Schedule = Literal["constant", "cosine"]
Head = Literal["gap", "flatten-dense"]
Scaling = Literal["symmetric", "unit"]
Augmentation = Literal["off", "cached", "live"]
ImageSize = Annotated[int, Field(ge=75)]  # the least that InceptionV3 takes
Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
Degrees = Annotated[float, Field(ge=0, le=180)]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the train step.

    Attributes:
        backbone: The pretrained network.
        cut: The layer whose output the head stands on: `mixed10` is the whole network, `mixed7` and lower ones are smaller and
            faster. Several, joined by `+`, are put side by side.
        head: `gap` (global average pooling, standardisation, dropout, dense) or `flatten-dense` (flatten, dense of 1,024
            with ReLU, dropout, dense).
        image_size: Side of the square, in pixels, to which images are resized for the backbone.
        scaling: What pixels are scaled to: `symmetric`, -1 to 1, as Keras' InceptionV3 was trained, or `unit`, 0 to 1.
        mirror: Train on every image and its mirror image, and average the two at prediction, which then takes twice as long.
        augmentation: `off`; `cached`, a few augmented views of every training image whose features are computed once; or
            `live`, every image augmented anew at every step, which passes through the backbone each time.
        views: Augmented views of an image, where augmentation is cached.
        flip: Augment by mirroring half of the images.
        rotation: Augment by turning up to this many degrees either way.
        shift: Augment by shifting up to this share of the side in each direction.
        shear: Augment by shearing up to this many degrees.
        zoom: Augment by stretching or shrinking width and height, each by up to this share.
        optimizer: Optimizer of the head.
        learning_rate: Its learning rate.
        schedule: How the learning rate goes: `constant`, or `cosine`, falling to 0 along half a cosine over all epochs.
        batch_size: Images a training step.
        epochs: Passes over the training images at most.
        dropout: Share of the head's inputs dropped in training.
        label_smoothing: Share of a label's certainty that is spread over all classes.
        class_weights: Give each class the same weight in the loss, however many training images it has.
        stop_at_accuracy: Accuracy at which training stops; 0 never stops for it.
        stop_on: Which images' accuracy that is: `selection`, those that select the weights, or `training`.
        patience: Epochs without a better loss on the selection images after which training stops; the best weights are kept.
        selection_split: Which images select the best weights: `train`, a part of the training images set aside, so that the
            evaluated images stay fresh; or `validation`, the validation images.
        selection_fraction: Share of the training images that is set aside.
        unfreeze: Layers `FROM..TO` of the backbone that are trained as well, once the head has converged; none if empty.
        unfreeze_learning_rate: Learning rate of that.
        unfreeze_epochs: Epochs of that at most.
        tensorboard: Folder or URI to which the TensorBoard logs are copied as training goes on; empty for none.
        require_gpu: Fail where there is no GPU, instead of training on the CPU.
        seed: Seed of everything random.
    """

    backbone: Literal["inception_v3"] = "inception_v3"
    cut: str = "mixed7"
    head: Head = "gap"
    image_size: ImageSize = 150
    scaling: Scaling = "symmetric"
    mirror: bool = False
    augmentation: Augmentation = "off"
    views: Count = 2
    flip: bool = True
    rotation: Degrees = 15.0
    shift: Share = 0.1
    shear: Annotated[float, Field(ge=0, le=45)] = 0.0
    zoom: Share = 0.1
    optimizer: Optimizer = "adam"
    learning_rate: Rate = 3e-3
    schedule: Schedule = "constant"
    batch_size: Count = 64
    epochs: Count = 30
    dropout: Share = 0.5
    label_smoothing: Share = 0.0
    class_weights: bool = False
    stop_at_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    stop_on: Literal["selection", "training"] = "selection"
    patience: Count = 10
    selection_split: Literal["train", "validation"] = "train"
    selection_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    unfreeze: str = ""
    unfreeze_learning_rate: Rate = 1e-5
    unfreeze_epochs: Count = 10
    tensorboard: str = ""
    require_gpu: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
