"""What happens during a fit: every epoch is scored, the best weights are kept, and what was reached is written down."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from graft.components.common.artifacts.model import Stopped
from graft.components.train.config import TrainConfig
from graft.components.train.fit.checkpoints import Checkpoint, Checkpoints

log = logging.getLogger("graft")

CHECKPOINT_SECONDS = 60.0


class BestWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores the model after every epoch on the selection images, keeps the best weights, and stops when it is time.

    Args:
        score: Returns `selection_loss` and `selection_accuracy` of the model as it is.
        config: Gives patience, and the accuracy at which to stop.
        steps: Steps an epoch.
        steps_a_call: Those that TensorFlow takes in one call.

    Attributes:
        done: Steps done.
        history: Loss and accuracy by epoch; those on the selection images carry the prefix `selection_`.
        epoch: The epoch of the best weights, from 1; 0 for those before the first.
        accuracy: Accuracy of the best weights on the selection images.
        stopped: Why the fit ended.
        broken: Where the loss became NaN or infinite; empty if it never did.
    """

    def __init__(
        self, score: Callable[[], dict[str, float]], config: TrainConfig, steps: int, steps_a_call: int
    ) -> None:
        super().__init__()
        self._score, self._config, self._steps, self._steps_a_call = score, config, steps, steps_a_call
        self._loss = math.inf
        self._begun: list[Any] = []  # loss and accuracy so far of an epoch that an earlier attempt began
        self.done = 0
        self._weights: list[Any] | None = None
        self.history: list[dict[str, float]] = []
        self.epoch, self.accuracy = 0, 0.0
        self.stopped, self.broken = Stopped.ALL_EPOCHS, ""

    @property
    def in_an_epoch(self) -> bool:
        """Whether an epoch has begun and not come to its end."""
        return bool(self.done % self._steps)

    def keep_start(self, model: Any) -> None:
        """Takes the weights as they are before the first epoch for the best so far."""
        self.set_model(model)
        self._keep(0, self._score())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Gives an epoch that goes on in the middle the loss and accuracy of the steps before."""
        if self._begun:
            for variable, value in zip(self.model.metrics_variables, self._begun, strict=True):
                variable.assign(value)
        self._begun = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Stops once the loss is no finite number any more."""
        epoch, step = divmod(self.done, self._steps)
        self.done += self._steps_a_call
        if not math.isfinite(logs["loss"]):
            steps = f"steps {step + 1} to {step + self._steps_a_call}" if self._steps_a_call > 1 else f"step {step + 1}"
            self._break(f"epoch {epoch + 1}, {steps}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Scores the epoch."""
        if self.broken:
            return
        scored = self._score()
        if not math.isfinite(scored["selection_loss"]):
            self._break(f"epoch {epoch + 1}, on the selection images")
            return
        self.history.append({"loss": float(logs["loss"]), "accuracy": float(logs["accuracy"]), **scored})
        wanted = self._config.stop_at_accuracy
        reached = logs["accuracy"] if self._config.stop_on == "training" else scored["selection_accuracy"]
        if wanted and reached >= wanted:
            self._keep(epoch + 1, scored)
            self._stop(Stopped.ACCURACY_REACHED)
        elif scored["selection_loss"] < self._loss:
            self._keep(epoch + 1, scored)
        elif epoch + 1 - self.epoch >= self._config.patience:
            self._stop(Stopped.NO_IMPROVEMENT)

    def restore(self) -> bool:
        """Gives the model its best weights back; false if there are none."""
        if self._weights is None:
            return False
        for variable, value in zip(self.model.trainable_variables, self._weights, strict=True):
            variable.assign(value)
        return True

    def checkpoint(self) -> Checkpoint:
        """Returns all that the next attempt needs to go on from here."""
        progress = {
            "done": self.done,
            "history": self.history,
            "epoch": self.epoch,
            "accuracy": self.accuracy,
            "loss": self._loss,
        }
        begun = self.model.metrics_variables if self.in_an_epoch else []
        variables = [np.asarray(variable) for variable in (*_state(self.model), *begun)]
        return Checkpoint(progress | {"begun": len(begun)}, [*variables, *(self._weights or [])])

    @staticmethod
    def fits(model: Any, checkpoint: Checkpoint) -> bool:
        """Tells whether a checkpoint has a model's variables, its optimizer's included."""
        found = [array.shape for array in checkpoint.arrays]
        state, best = ([variable.shape for variable in kept] for kept in (_state(model), model.trainable_variables))
        return found[: len(state)] == state and found[len(state) + checkpoint.progress["begun"] :] in ([], best)

    def resume(self, model: Any, checkpoint: Checkpoint) -> None:
        """Brings model and history to where a checkpoint was written that fits."""
        self.set_model(model)
        state, progress = _state(model), checkpoint.progress
        for variable, value in zip(state, checkpoint.arrays[: len(state)], strict=True):
            variable.assign(value)
        rest = checkpoint.arrays[len(state) :]
        self._begun, self._weights = rest[: progress["begun"]], rest[progress["begun"] :] or None
        self.done, self.history, self._loss = progress["done"], progress["history"], progress["loss"]
        self.epoch, self.accuracy = progress["epoch"], progress["accuracy"]

    def _keep(self, epoch: int, scored: dict[str, float]) -> None:
        self._weights = [np.array(variable) for variable in self.model.trainable_variables]
        self.epoch, self._loss, self.accuracy = epoch, scored["selection_loss"], scored["selection_accuracy"]

    def _stop(self, why: Stopped) -> None:
        self.stopped = why
        self.model.stop_training = True

    def _break(self, where: str) -> None:
        self.broken = where
        self._stop(Stopped.NO_NUMBER)


class WriteCheckpoints(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes what `best`, a callback before it, has reached, whenever the last checkpoint is a minute old and the fit goes on."""

    def __init__(self, phase: str, best: BestWeights, checkpoints: Checkpoints) -> None:
        super().__init__()
        self._phase, self._best, self._checkpoints = phase, best, checkpoints
        self._since = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes one if it is time, but after an epoch's last step, which has not been scored yet."""
        if self._best.in_an_epoch:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes one if it is time."""
        self._write()

    def _write(self) -> None:
        if time.monotonic() - self._since >= CHECKPOINT_SECONDS and not self.model.stop_training:
            self._checkpoints.save(self._phase, self._best.done, self._best.checkpoint())
            self._since = time.monotonic()


def _state(model: Any) -> list[Any]:
    """Returns all variables that a fit changes: trained weights, the random layers' states, and the optimizer's."""
    weights = {id(variable) for variable in model.weights}
    random = [variable for variable in model.variables if id(variable) not in weights]
    return [*model.trainable_variables, *random, *model.optimizer.variables]
