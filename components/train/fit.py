"""Fitting the head on features."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from graft.components.common.errors import GraftError
from graft.components.common.progress import progress
from graft.components.train.config import TrainConfig
from graft.components.train.head import compile_head


@dataclasses.dataclass(frozen=True)
class Fitted:
    """How the fitting went.

    Attributes:
        history: Loss and accuracy by epoch; those of the images set aside carry the prefix `selection_`.
        best_epoch: The epoch whose weights were kept, from 1.
        accuracy: Accuracy on the images set aside, at that epoch.
        stopped: Why it ended.
    """

    history: list[dict[str, float]]
    best_epoch: int
    accuracy: float
    stopped: str


def fit_head(head: Any, vectors: Any, labels: Any, aside: Any, config: TrainConfig, classes: int, logs: Path) -> Fitted:
    """Trains the head on features and keeps the weights with the lowest loss on the images set aside.

    Args:
        head: The untrained head.
        vectors: float32 [N, F] features.
        labels: int64 [N] labels.
        aside: bool [N], true for images that select the weights instead of training them.
        config: The step's settings.
        classes: How many classes there are.
        logs: Directory for the TensorBoard logs.

    Raises:
        GraftError: There are fewer images than a batch takes, or the loss became NaN or infinite.
    """
    import keras

    images = int((~aside).sum())
    if config.batch_size > images:
        raise GraftError(
            f"batch_size {config.batch_size} is more than the {images} images to train on: lower it, or add images."
        )
    compile_head(head, config, classes, images)
    targets = labels if classes == 2 else keras.utils.to_categorical(labels, classes)
    best = keras.callbacks.EarlyStopping("val_loss", patience=config.patience, restore_best_weights=True)
    reached, broken = _stop_at(config.stop_at_accuracy, best), _stop_at_nan()
    with progress("training the head (epochs)", config.epochs) as advance:
        history = head.fit(
            vectors[~aside],
            targets[~aside],
            validation_data=(vectors[aside], targets[aside]),
            class_weight=_class_weights(labels[~aside], classes) if config.class_weights else None,
            batch_size=config.batch_size,
            epochs=config.epochs,
            verbose=0,
            callbacks=[
                best,
                reached,
                broken,
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance(1)),
                keras.callbacks.TensorBoard(str(logs), write_graph=False),
            ],
        ).history
    losses = history.get("val_loss", [])
    if broken.where or not all(map(math.isfinite, losses)):
        where = broken.where or f"epoch {len(losses)}, on the images set aside"
        raise GraftError(f"The loss became NaN in {where}: lower the learning rate ({config.learning_rate:g}).")
    names = {"loss": "loss", "accuracy": "accuracy", "val_loss": "selection_loss", "val_accuracy": "selection_accuracy"}
    epochs = [{new: float(history[old][epoch]) for old, new in names.items()} for epoch in range(len(losses))]
    best_epoch = best.best_epoch
    stopped = (
        "wanted accuracy reached"
        if reached.reached
        else "no better for a while"
        if best.stopped_epoch
        else "all asked for"
    )
    return Fitted(epochs, best_epoch + 1, epochs[best_epoch]["selection_accuracy"], stopped)


def _class_weights(labels: Any, classes: int) -> dict[int, float]:
    """Returns the weight of each class that makes them count alike: as scikit-learn's "balanced" has it."""
    return {label: len(labels) / (classes * max(int((labels == label).sum()), 1)) for label in range(classes)}


def _stop_at_nan() -> Any:
    """Returns a callback that stops at the step in which the loss is no finite number any more, and says which it was."""
    import keras

    class StopAtNaN(keras.callbacks.Callback):  # type: ignore[misc]
        where = ""
        _epoch = 0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._epoch = epoch

        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            if not math.isfinite(logs["loss"]):
                self.where = f"epoch {self._epoch + 1}, step {batch + 1}"
                self.model.stop_training = True

    return StopAtNaN()


def _stop_at(accuracy: float, best: Any) -> Any:
    """Returns a callback that stops when the images set aside reach an accuracy, keeping those weights; 0 never does."""
    import keras

    class StopAtAccuracy(keras.callbacks.Callback):  # type: ignore[misc]
        reached = False

        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            if accuracy and logs["val_accuracy"] >= accuracy:
                self.reached = True
                best.best_weights, best.best_epoch = self.model.get_weights(), epoch
                self.model.stop_training = True

    return StopAtAccuracy()
