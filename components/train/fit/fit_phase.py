"""Fits one phase of a training: compiles the model, goes on from a checkpoint, keeps the best weights."""

import dataclasses
import logging
from typing import Any

import numpy as np

from graft.components.common.artifacts.model import Stopped
from graft.components.common.compute.running import on_gpus
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.train.config import Optimizer, TrainConfig
from graft.components.train.fit.callbacks import BestWeights, WriteCheckpoints
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.event_logs import EventLogs
from graft.components.train.fit.phases import Phase

log = logging.getLogger("graft")


@dataclasses.dataclass(frozen=True)
class Fitted:
    """How a phase went.

    Attributes:
        phase: The phase's name.
        history: Loss and accuracy by epoch; those on the selection images carry the prefix `selection_`.
        best_epoch: The epoch whose weights were kept, from 1; 0 for those from before the first.
        accuracy: Accuracy on the selection images, at those weights.
        stopped: Why it ended.
        most_epochs: Epochs that the settings allowed.
    """

    phase: str
    history: list[dict[str, float]]
    best_epoch: int
    accuracy: float
    stopped: Stopped
    most_epochs: int


def fit_phase(phase: Phase, config: TrainConfig, checkpoints: Checkpoints, events: EventLogs) -> Fitted:
    """Fits a model and leaves it with the weights that had the lowest loss on the selection images.

    Where it stops for a wanted accuracy, it is left with the weights that reached that. Where an earlier attempt left a
    checkpoint, it goes on from there.

    Args:
        phase: What to fit, on what, and how.
        config: Gives optimizer, schedule, label smoothing, and when to stop.
        checkpoints: Where an earlier attempt may have left how far it came, and this one does.
        events: The TensorBoard logs.

    Raises:
        GraftError: The loss became NaN or infinite before any epoch was done, or the store can't be used.
    """
    import keras

    model = phase.model
    kind = keras.losses.BinaryCrossentropy if model.outputs[0].shape[1] == 1 else keras.losses.CategoricalCrossentropy
    loss = kind(label_smoothing=config.label_smoothing)
    model.compile(optimizer=_optimizer(config, phase), loss=loss, metrics=["accuracy"])
    # Not by `compile`, what it is told being a part of the saved model.
    model.steps_per_execution = phase.steps_a_call
    if on_gpus():
        model.jit_compile = phase.compiles
    _make_variables(model)
    best = BestWeights(phase.score, config, phase.steps, phase.steps_a_call)
    if found := checkpoints.load(phase.name, lambda checkpoint: best.fits(model, checkpoint)):
        best.resume(model, found)
        log.info("%s: goes on after step %d of an earlier attempt", phase.name, best.done)
    elif phase.keeps_start:
        best.keep_start(model)
    for entry in best.history:
        events.append(entry)
    _run(phase, best, checkpoints, events)
    remedy = f"lower the learning rate ({phase.learning_rate:g})"
    if not best.restore():
        raise GraftError(f"The loss became NaN in {best.broken}: {remedy}.")
    if best.broken:
        log.warning(
            "%s: the loss became NaN in %s; the best weights before are kept. %s",
            phase.name,
            best.broken,
            remedy.capitalize(),
        )
    return Fitted(phase.name, best.history, best.epoch, best.accuracy, best.stopped, phase.epochs)


def _run(phase: Phase, best: BestWeights, checkpoints: Checkpoints, events: EventLogs) -> None:
    """Fits from where an earlier attempt stopped, which may be in the middle of an epoch."""
    import keras

    total = phase.epochs * phase.steps

    def log_epoch(epoch: int, logs: Any = None) -> None:
        if not best.broken:
            events.append(best.history[-1])

    with progress(f"training the {phase.name}", total - best.done, "steps") as advance:
        callbacks = [
            best,
            WriteCheckpoints(phase.name, best, checkpoints),
            keras.callbacks.LambdaCallback(
                on_epoch_end=log_epoch, on_train_batch_end=lambda batch, logs: advance(phase.steps_a_call)
            ),
        ]
        while best.done < total and best.stopped is Stopped.ALL_EPOCHS:
            epoch, begun = divmod(best.done, phase.steps)
            phase.model.fit(
                phase.stream(best.done),
                steps_per_epoch=phase.steps - begun,
                initial_epoch=epoch,
                epochs=epoch + 1 if begun else phase.epochs,
                class_weight=phase.class_weight,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )


def _make_variables(model: Any) -> None:
    """Makes the variables of optimizer and accuracy, which Keras makes when it first needs them: it would trace the first step twice.

    Where a fit goes on in the middle of an epoch, they take what they had.
    """
    model.optimizer.build(model.trainable_variables)
    none = np.zeros((1, model.outputs[0].shape[1]), np.float32)
    model.compute_metrics(None, none, none)
    model.reset_metrics()


def _optimizer(config: TrainConfig, phase: Phase) -> Any:
    import keras

    rate: Any = phase.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, phase.epochs * phase.steps)
    # Not by keras.optimizers.get, which makes one more: Keras numbers them, and the number is a part of the saved model.
    optimizers: dict[Optimizer, Any] = {
        "adagrad": keras.optimizers.Adagrad,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    optimizer = optimizers[config.optimizer](learning_rate=rate)
    if not phase.half_precision:
        return optimizer
    from graft.components.train.network.loss_scale import LossScale

    return LossScale(optimizer)
