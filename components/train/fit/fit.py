"""Fitting a model: one phase of a training."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.compute.devices import on_all_devices
from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.train.config import Optimizer, TrainConfig
from graft.components.train.fit.callbacks import ALL_DONE, BestWeights, WriteCheckpoints
from graft.components.train.fit.checkpoints import Checkpoints
from graft.components.train.fit.event_logs import EventLogs

log = logging.getLogger("graft")


@dataclasses.dataclass(frozen=True)
class Phase:
    """What is fitted, on what, and how.

    Attributes:
        name: Its name in records and messages.
        model: The Keras model.
        stream: Gives all batches (inputs, targets) after as many steps, as a `tf.data.Dataset`; the same every time.
        steps: Batches an epoch.
        score: Returns `selection_loss` and `selection_accuracy` of the model as it is.
        epochs: Epochs at most.
        learning_rate: The learning rate to start with.
        class_weight: Weight of each class in the loss; None for all alike.
        keeps_start: Whether the weights before the first epoch may turn out to be the best.
        half_precision: Whether gradients pass through layers in float16, in which small ones would vanish unless scaled.
    """

    name: str
    model: Any
    stream: Callable[[int], Any]
    steps: int
    score: Callable[[], dict[str, float]]
    epochs: int
    learning_rate: float
    class_weight: dict[int, float] | None = None
    keeps_start: bool = False
    half_precision: bool = False


@dataclasses.dataclass(frozen=True)
class Fitted:
    """How a phase went.

    Attributes:
        phase: The phase's name.
        history: Loss and accuracy by epoch; those on the selection images carry the prefix `selection_`.
        best_epoch: The epoch whose weights were kept, from 1; 0 for those from before the first.
        accuracy: Accuracy on the selection images, at those weights.
        stopped: Why it ended.
    """

    phase: str
    history: list[dict[str, float]]
    best_epoch: int
    accuracy: float
    stopped: str


def fit(phase: Phase, config: TrainConfig, checkpoints: Checkpoints, events: EventLogs) -> Fitted:
    """Fits a model and leaves it with the weights that had the lowest loss on the selection images.

    Where it stops for a wanted accuracy, it is left with the weights that reached that.

    Args:
        phase: What to fit, on what, and how.
        config: The step's settings.
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
    best = BestWeights(phase.score, config, phase.steps)
    if found := checkpoints.load(phase.name):
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
        log.warning("%s: %s; the best weights before are kept. %s", phase.name, best.stopped, remedy.capitalize())
    return Fitted(phase.name, best.history, best.epoch, best.accuracy, best.stopped)


def _run(phase: Phase, best: BestWeights, checkpoints: Checkpoints, events: EventLogs) -> None:
    """Fits from where an earlier attempt stopped, which may be in the middle of an epoch."""
    import keras

    total = phase.epochs * phase.steps
    if best.in_an_epoch:
        # Keras makes the variables of loss and accuracy when it first needs them, and these go on from where they were.
        inputs, targets = next(iter(phase.stream(best.done)))
        phase.model.test_on_batch(inputs[:1], targets[:1])

    def log_epoch(epoch: int, logs: Any = None) -> None:
        if not best.broken:
            events.append(best.history[-1])

    with progress(f"training the {phase.name} (steps)", total - best.done) as advance:
        callbacks = [
            best,
            WriteCheckpoints(phase.name, best, checkpoints),
            keras.callbacks.LambdaCallback(on_epoch_end=log_epoch, on_train_batch_end=lambda batch, logs: advance(1)),
        ]
        while best.done < total and best.stopped == ALL_DONE:
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


def targets_of(labels: Any, classes: int) -> Any:
    """Returns the targets of the loss, float32 [N, 1] for two classes, else one-hot [N, classes].

    Args:
        labels: int64 [N] labels.
        classes: How many classes there are.
    """
    import keras

    return labels[:, None].astype(np.float32) if classes == 2 else keras.utils.to_categorical(labels, classes)


def class_weights(labels: Any, classes: int) -> dict[int, float]:
    """Returns the weight of each class that makes them count alike: as scikit-learn's "balanced" has it.

    Args:
        labels: int64 [N] labels.
        classes: How many classes there are.
    """
    return {label: len(labels) / (classes * max(int((labels == label).sum()), 1)) for label in range(classes)}


def scorer(
    model: Any, batches: Any, targets: Any, config: TrainConfig, class_weight: dict[int, float] | None = None
) -> Callable[[], dict[str, float]]:
    """Returns a function that scores a model, as it then is, on images that it is not trained on.

    Args:
        model: Keras model to probabilities.
        batches: What can be gone through again and again for the model's inputs; each holds M views, [M, N, …], whose probabilities
            are averaged.
        targets: Targets as `targets_of` returns them, in the same order.
        config: The step's settings.
        class_weight: Weight of each class in the loss, as in training; None for all alike.
    """
    import keras

    compiled, binary = on_all_devices(model), targets.shape[1] == 1
    crossentropy = keras.losses.binary_crossentropy if binary else keras.losses.categorical_crossentropy
    expected = targets[:, 0].astype(int) if binary else targets.argmax(axis=1)
    weights = np.array([class_weight[label] for label in expected] if class_weight else 1.0)

    def averaged(views: Any) -> Any:
        return np.mean([compiled(np.asarray(view, np.float32)) for view in views], axis=0)

    def score() -> dict[str, float]:
        probabilities = np.concatenate([averaged(views) for views in batches])
        losses = np.asarray(crossentropy(targets, probabilities, label_smoothing=config.label_smoothing))
        given = probabilities[:, 0] > 0.5 if binary else probabilities.argmax(axis=1)
        return {
            "selection_loss": float((weights * losses).mean()),
            "selection_accuracy": float((given == expected).mean()),
        }

    return score


def _optimizer(config: TrainConfig, phase: Phase) -> Any:
    import keras

    rate: Any = phase.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, phase.epochs * phase.steps)
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
