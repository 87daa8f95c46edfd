"""A training from features to a trained head: its phases one after the other, and what they leave for the record."""

import dataclasses
from typing import Any

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Abstention, Calibration, Stopped
from graft.components.train.config import TrainConfig
from graft.components.train.features.training_set import TrainingSet
from graft.components.train.fit import phases
from graft.components.train.fit.abstention import choose_threshold
from graft.components.train.fit.calibration import Logits, apply_temperature, fit_temperature
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.event_logs import EventLogs
from graft.components.train.fit.fit_phase import Fitted, fit_phase
from graft.components.train.network.assembly import Network
from graft.components.train.network.head import build_head


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained head, and how it came about.

    Attributes:
        head: The head, with the best weights, calibrated; the network's unfrozen layers have theirs.
        phases: How each phase went.
        calibration: How it was calibrated.
        abstention: From which confidence on it is confident; None if no accuracy was wanted.
    """

    head: Any
    phases: list[Fitted]
    calibration: Calibration
    abstention: Abstention | None = None

    @property
    def accuracy(self) -> float:
        """Accuracy on the selection images at the kept weights."""
        return self.phases[-1].accuracy

    @property
    def stopped(self) -> Stopped:
        """Why the last phase ended."""
        return self.phases[-1].stopped

    @property
    def most_epochs(self) -> int:
        """Epochs that the settings allowed, in the phases that were begun."""
        return sum(phase.most_epochs for phase in self.phases)

    @property
    def history(self) -> list[dict[str, float]]:
        """Loss and accuracy by epoch, through all phases."""
        return [entry for phase in self.phases for entry in phase.history]

    @property
    def best_epoch(self) -> int:
        """The epoch of the kept weights, counted through all phases from 1."""
        done, best = 0, 0
        for phase in self.phases:
            best = done + phase.best_epoch if phase.best_epoch else best
            done += len(phase.history)
        return best


def train_head(
    dataset: Dataset,
    network: Network,
    training_set: TrainingSet,
    config: TrainConfig,
    checkpoints: Checkpoints,
    events: EventLogs,
) -> Trained:
    """Trains a new head, and then the unfrozen layers with it, unless the head alone has reached the wanted accuracy; calibrates it.

    Args:
        dataset: Holds the images and names the classes.
        network: What stands before the head; its unfrozen layers are trained in place.
        training_set: What the head is trained on and selected by.
        config: Says how the head looks and how it is trained.
        checkpoints: Where an earlier attempt may have left how far it came.
        events: The TensorBoard logs.

    Raises:
        GraftError: The loss became NaN or infinite, the dataset is damaged, or the store can't be used.
    """
    import keras

    keras.utils.set_random_seed(config.seed)  # so that the head doesn't depend on what was drawn to make the features
    head = build_head(config, training_set.vectors.reshape(-1, training_set.vectors.shape[-1]), len(dataset.classes))
    phase = phases.head_phase(dataset, network, head, training_set, config)
    fitted = [fit_phase(phase, config, checkpoints, events)]
    if network.unfrozen and fitted[0].stopped is not Stopped.ACCURACY_REACHED:
        phase = phases.unfrozen_phase(dataset, network, head, training_set, config)
        fitted.append(fit_phase(phase, config, checkpoints, events))
    logits = Logits(phase.logits(), training_set.selection_labels, training_set.selection_split)
    calibration = fit_temperature(logits)
    apply_temperature(head, calibration.temperature)
    abstention = None
    if config.wanted_accuracy:
        probabilities = logits.probabilities(calibration.temperature)
        abstention = choose_threshold(probabilities, logits.labels, logits.split, config.wanted_accuracy)
    return Trained(head, fitted, calibration, abstention)
