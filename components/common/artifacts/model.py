"""The Model artifact as its readers see it: `model.keras` and `training.json`."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from graft.components.common.artifacts.records import Artifact, read_record
from graft.components.common.artifacts.schema import Part, Setting

RECORD = "training.json"
MODEL = "model.keras"


class Stopped(StrEnum):
    """Why a training ended."""

    ALL_EPOCHS = "all epochs"
    ACCURACY_REACHED = "accuracy reached"
    NO_IMPROVEMENT = "no improvement"
    NO_NUMBER = "loss became NaN"

    @classmethod
    def _missing_(cls, value: object) -> "Stopped | None":
        """Reads what earlier Grafts wrote; of a loss that became NaN, they also said in which step."""
        if isinstance(value, str) and value.startswith("the loss became NaN"):
            return cls.NO_NUMBER
        before = {
            "all asked for": cls.ALL_EPOCHS,
            "wanted accuracy reached": cls.ACCURACY_REACHED,
            "no better for a while": cls.NO_IMPROVEMENT,
        }
        return before.get(value) if isinstance(value, str) else None


class Layer(Part):
    """A layer of the model."""

    part: str
    """The part of the model that it belongs to: the backbone or the head."""
    name: str
    """Its name."""
    kind: str = Field(validation_alias="class", serialization_alias="class", description="Keras' class of it.")
    output_shape: tuple[int | None, ...]
    """Shape of its output, of which the first is the batch; None where any size will do."""
    parameters: int
    """Its parameters."""
    trainable_parameters: int
    """Those of them that were trained."""


class Epoch(Part):
    """Loss and accuracy after an epoch."""

    loss: float
    """Mean loss of the training images over the epoch."""
    accuracy: float
    """Mean accuracy of the training images over the epoch."""
    selection_loss: float
    """Loss on the selection images at the end of the epoch."""
    selection_accuracy: float
    """Accuracy on the selection images at the end of the epoch."""


class PhaseSummary(Part):
    """How a phase of the training went."""

    name: str
    """What was trained in it."""
    epochs: int
    """Epochs that it took."""
    stopped: Stopped
    """Why it ended."""


class Selection(Part):
    """The images that selected the weights."""

    split: str
    """The split that they are of; `train` where a part of the training images was set aside."""
    images: int
    """How many they are."""
    accuracy: float
    """Accuracy on them at the kept weights."""


class FeatureCounts(Part):
    """Where the images' features came from."""

    computed: int
    """Images that went through the backbone."""
    cached: int
    """Images whose features were in the store."""


class DeviceSummary(Part):
    """What a training ran on."""

    kind: str
    """`CPU` or `GPU`."""
    count: int
    """How many there were."""
    precision: str
    """Keras' dtype policy of the backbone."""


class Model(Artifact):
    """A trained model: how it came about. Beside the record lie the Keras model, a page and TensorBoard logs."""

    FILE: ClassVar[str] = "training.json"
    KERAS: ClassVar[str] = "model.keras"
    """File name of the Keras model."""
    REMEDY: ClassVar[str] = "train it again"

    config: Mapping[str, Setting]
    """The step's settings."""
    backbone: str
    """The pretrained network."""
    classes: tuple[str, ...]
    """The class names in label order."""
    layers: tuple[Layer, ...]
    """The layers of backbone and head."""
    history: tuple[Epoch, ...]
    """Loss and accuracy by epoch, through all phases."""
    best_epoch: int
    """The epoch of the kept weights, counted through all phases from 1; 0 for those before the first."""
    stopped: Stopped
    """Why the last phase ended."""
    phases: tuple[PhaseSummary, ...]
    """The training's phases."""
    selection: Selection
    """The images that selected the weights."""
    training_images: int
    """Images that trained the head."""
    features: FeatureCounts
    """Where the images' features came from."""
    dataset_digest: str
    """Content digest of the dataset."""
    weights_digest: str
    """SHA-256 of the backbone's weights."""
    devices: DeviceSummary
    """What it ran on."""
    weights: str
    """`imagenet`, `random`, or the weights' file name."""
    model_digest: str
    """SHA-256 of `model.keras`."""
    seconds: Mapping[str, float]
    """Seconds by part of the step."""
    versions: Mapping[str, str]
    """Versions of the packages that trained it."""


def read_training(model: Path) -> dict[str, Any]:  # type: ignore[explicit-any]
    """Reads the record of a finished Model.

    Raises:
        GraftError: It is missing, unfinished, damaged, or of an unknown schema version.
    """
    return read_record(model, RECORD)
