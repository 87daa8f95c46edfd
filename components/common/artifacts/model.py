"""The Model artifact as its readers see it: `model.keras` and `training.json`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from graft.components.common.artifacts.artifact import Artifact
from graft.components.common.artifacts.record import Part, Setting, Sparse


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

    part: str = Field(description="The part of the model that it belongs to: the backbone or the head.")
    name: str = Field(description="Its name.")
    kind: str = Field(validation_alias="class", serialization_alias="class", description="Keras' class of it.")
    output_shape: tuple[int | None, ...] = Field(description="Shape of its output, the batch first; None for any size.")
    parameters: int = Field(description="Its parameters.")
    trainable_parameters: int = Field(description="Those of them that were trained.")


class Epoch(Part):
    """Loss and accuracy after an epoch."""

    loss: float = Field(description="Mean loss of the training images over the epoch.")
    accuracy: float = Field(description="Mean accuracy of the training images over the epoch.")
    selection_loss: float = Field(description="Loss on the selection images at the end of the epoch.")
    selection_accuracy: float = Field(description="Accuracy on the selection images at the end of the epoch.")


class PhaseSummary(Part):
    """How a phase of the training went."""

    name: str = Field(description="What was trained in it.")
    epochs: int = Field(description="Epochs that it took.")
    stopped: Stopped = Field(description="Why it ended.")


class Selection(Part):
    """The images that selected the weights."""

    split: str = Field(description="Their split; `train` where a part of the training images was set aside.")
    images: int = Field(description="How many they are.")
    accuracy: float = Field(description="Accuracy on them at the kept weights.")


class Calibration(Part):
    """The temperature by which the logits were divided, within the model's last layer."""

    temperature: float = Field(description="The temperature; 1 changes nothing.")
    split: str = Field(
        description="Split of the images that it was fitted on, which are those that selected the weights."
    )
    images: int = Field(description="How many they are.")
    loss_before: float = Field(description="Negative log-likelihood of their labels without it, in nats.")
    loss: float = Field(description="Negative log-likelihood of their labels with it, in nats.")
    reason: Sparse[str] = Field(None, description="Why none was fitted and it is 1; left out where one was.")


class Abstention(Part):
    """The confidence below which the model is not confident, chosen on the images that selected the weights."""

    wanted_accuracy: float = Field(description="The accuracy that the answered images shall have.")
    abstain_below: Sparse[float] = Field(
        None,
        description="The confidence: the probability of the predicted class, from which on the model is confident; left out where "
        "none would do.",
    )
    split: str = Field(description="Split of the images that it was chosen on.")
    images: int = Field(description="How many they are.")
    answered: int = Field(description="Those of them with at least that confidence.")
    wrong: int = Field(description="The answered ones that are wrong.")


class FeatureCounts(Part):
    """Where the images' features came from."""

    computed: int = Field(description="Images that went through the backbone.")
    cached: int = Field(description="Images whose features were in the store.")


class DeviceSummary(Part):
    """What a training ran on."""

    kind: str = Field(description="`CPU` or `GPU`.")
    count: int = Field(description="How many there were.")
    precision: str = Field(description="Keras' dtype policy of the backbone.")


class Model(Artifact):
    """A trained model: how it came about. Beside the record lie the Keras model, a page and TensorBoard logs."""

    FILE: ClassVar[str] = "training.json"
    KERAS: ClassVar[str] = "model.keras"
    """File name of the Keras model."""
    REMEDY: ClassVar[str] = "train it again"

    config: Mapping[str, Setting] = Field(description="Settings that it was trained with.")
    backbone: str = Field(description="The pretrained network.")
    classes: tuple[str, ...] = Field(description="The class names in label order.")
    layers: tuple[Layer, ...] = Field(description="The layers of backbone and head.")
    history: tuple[Epoch, ...] = Field(description="Loss and accuracy by epoch, through all phases.")
    best_epoch: int = Field(description="Epoch of the kept weights, from 1 through all phases; 0 for those before.")
    stopped: Stopped = Field(description="Why the last phase ended.")
    phases: tuple[PhaseSummary, ...] = Field(description="The training's phases.")
    selection: Selection = Field(description="The images that selected the weights.")
    calibration: Sparse[Calibration] = Field(
        None, description="How the probabilities were calibrated; left out of records of before there was that."
    )
    abstention: Sparse[Abstention] = Field(
        None, description="From which confidence on it is confident; left out where no accuracy was wanted."
    )
    training_images: int = Field(description="Images that trained the head.")
    features: FeatureCounts = Field(description="Where the images' features came from.")
    images_per_second: Sparse[float] = Field(
        None, description="Images that went through the backbone in a second; left out where none did."
    )
    waiting_share: Sparse[float] = Field(
        None,
        description="Share of that time, 0 to 1, for which the backbone had nothing to do: images were not read, decoded and prepared "
        "any faster. Left out where none went through it.",
    )
    dataset_digest: str = Field(description="Content digest of the dataset.")
    weights_digest: str = Field(description="SHA-256 of the backbone's weights.")
    devices: DeviceSummary = Field(description="What it ran on.")
    weights: str = Field(description="`imagenet`, `random`, or the weights' file name.")
    model_digest: str = Field(description="SHA-256 of `model.keras`.")
    seconds: Mapping[str, float] = Field(description="Seconds by part of the step.")
    versions: Mapping[str, str] = Field(description="Versions of the packages that trained it.")

    @property
    def abstain_below(self) -> float | None:
        """The confidence below which the model is not confident; None if there is none."""
        return self.abstention.abstain_below if self.abstention else None
