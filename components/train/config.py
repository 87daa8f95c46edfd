"""What can be set about a training, with limits and defaults."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from graft.components.common.config import Sha256
from graft.components.common.errors import GraftError
from graft.components.train.backbones.architecture import OWN, Architecture, Scaling
from graft.components.train.backbones.known import ARCHITECTURES, BackboneName, architecture_of

Optimizer = Literal["adagrad", "adam", "adamw", "rmsprop", "sgd"]
Schedule = Literal["constant", "cosine"]
Head = Literal["gap", "flatten-dense"]
Augmentation = Literal["off", "cached", "live"]
ImageSize = Annotated[int, Field(ge=min(known.smallest_image for known in ARCHITECTURES.values()))]
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
        cut: Layer whose output the head takes; earlier ones are smaller and faster. `own` is the backbone's: `mixed7` of InceptionV3, of
            which `mixed10` is the whole network, and the whole network of the others. Join several by `+` to concatenate their features.
        head: `gap` is global average pooling, standardisation, dropout and a dense layer. `flatten-dense` is flattening, a
            dense layer of 1,024 units with ReLU, dropout and a dense layer.
        image_size: Side in pixels of the square that images are resized to for the backbone.
        scaling: Range of the pixels. `own` is the one that the backbone was trained on. `symmetric` is -1 to 1; `unit` is 0 to 1;
            `imagenet` gives each colour mean 0 and variance 1 over ImageNet.
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

    backbone: BackboneName = "inception_v3"
    weights_sha256: Sha256 = ""
    cut: str = OWN
    head: Head = "gap"
    image_size: ImageSize = 150
    scaling: Scaling = OWN
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

    def __post_init__(self) -> None:
        """Fills in what the backbone says, and refuses what is another backbone's."""
        architecture = architecture_of(self.backbone)
        if self.cut == OWN:
            object.__setattr__(self, "cut", architecture.default_cut)
        if self.scaling == OWN:
            object.__setattr__(self, "scaling", architecture.scaling)
        if self.image_size < architecture.smallest_image:
            raise GraftError(
                f"train: image_size can't be {self.image_size}: it should be greater than or equal to {architecture.smallest_image}, the "
                f"least that {architecture.title} takes."
            )
        _check_cut(self.cut, architecture)


def _check_cut(cut: str, architecture: Architecture) -> None:
    """Refuses other backbones' cuts, and a layer twice, before any work starts; what else is no layer shows when the network is built."""
    layers = cut.split("+")
    if twice := [layer for layer in layers if layers.count(layer) > 1]:
        raise GraftError(f"train: cut can't be {cut!r}: it names {twice[0]} twice.")
    for other in ARCHITECTURES.values():
        strange = set(layers) & (set(other.blocks) - set(architecture.blocks))
        if strange:
            raise GraftError(
                f"train: cut can't be {cut!r}: {min(strange)} is {other.title}'s, and the blocks of {architecture.title} are "
                f"{', '.join(architecture.blocks)}."
            )
