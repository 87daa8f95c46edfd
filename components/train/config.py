"""What can be set about a training, with limits and defaults."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.common.config import Sha256

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
    """How a head is trained on the backbone's features, and which weights are kept.

    Attributes:
        backbone: Pretrained network whose features the head is trained on.
        weights_sha256: SHA-256 that the weights file must have, as 64 hex digits; empty for any.
        cut: Layer whose output the head takes. `mixed10` is the whole network; `mixed7` and lower layers are smaller and faster.
            Join several by `+` to concatenate their features.
        head: `gap` is global average pooling, standardisation, dropout and a dense layer. `flatten-dense` is flattening, a
            dense layer of 1,024 units with ReLU, dropout and a dense layer.
        image_size: Side in pixels of the square that images are resized to for the backbone.
        scaling: Range of the pixels. `symmetric` is -1 to 1, as Keras' InceptionV3 was trained; `unit` is 0 to 1.
        mirror: Train on every image and its mirror image, and average the two predictions. Prediction takes twice as long.
        augmentation: `off`. `cached` computes the features of a few augmented views of each training image once. `live`
            augments every image anew at every step and passes it through the backbone each time.
        views: Augmented views of each training image, if augmentation is cached.
        flip: Augment by mirroring half of the images.
        rotation: Augment by rotating by up to this many degrees either way.
        shift: Augment by shifting by up to this fraction of the side in each direction.
        shear: Augment by shearing by up to this many degrees.
        zoom: Augment by scaling width and height by up to this fraction each.
        optimizer: Optimizer.
        learning_rate: Learning rate of the head; with a schedule, the first one.
        schedule: Learning-rate schedule: `constant`, or `cosine`, which decays to 0 over all epochs.
        batch_size: Images in a training step, on all devices together.
        epochs: Epochs at most.
        dropout: Fraction of the head's inputs that dropout sets to 0 in training.
        label_smoothing: Fraction of the label's probability that is spread over all classes.
        class_weights: Weight the loss so that each class counts the same, however many training images it has.
        stop_at_accuracy: Accuracy at which training stops; 0 for never.
        stop_on: Images whose accuracy that is: `selection`, those that select the weights, or `training`.
        patience: Epochs without a lower loss on the selection images after which training stops. The best weights are kept.
        selection_split: Images that select the weights. `train` sets a fraction of the training images aside, so that the
            evaluated images stay unseen; `validation` takes the validation images.
        selection_fraction: Fraction of the training images that is set aside.
        wanted_accuracy: Accuracy that the answered images shall have: a confidence is chosen on the selection images, below which the
            model says that it is not confident. 0 for none.
        unfreeze: Layers `FROM..TO` of the backbone that are fine-tuned once the head has converged; empty for none.
        unfreeze_learning_rate: Learning rate of the fine-tuning.
        unfreeze_epochs: Epochs of the fine-tuning at most.
        tensorboard: Folder or URI that the TensorBoard logs are copied to during training; empty for none.
        require_gpu: Fail if there is no GPU, instead of training on the CPU.
        seed: Random seed.
    """

    backbone: Literal["inception_v3"] = "inception_v3"
    weights_sha256: Sha256 = ""
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
    wanted_accuracy: Share = 0.0
    unfreeze: str = ""
    unfreeze_learning_rate: Rate = 1e-5
    unfreeze_epochs: Count = 10
    tensorboard: str = ""
    require_gpu: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
