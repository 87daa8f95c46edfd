"""The train step: a new head on a frozen backbone, saved as one model that takes images as they are."""

import dataclasses
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from graft.components.common import storage
from graft.components.common.dataset import TRAIN, Dataset
from graft.components.common.errors import GraftError
from graft.components.common.model import MODEL, NETWORK, RECORD
from graft.components.common.records import new_artifact, sha256_file, write_record
from graft.components.common.tensorflow import import_tensorflow
from graft.components.train.config import TrainConfig
from graft.components.train.weights import check_weights, local_weights


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What train made.

    Attributes:
        path: The Model's directory.
        selection_accuracy: Accuracy on the images set aside from training, at the kept weights.
        epochs: Epochs trained.
        stopped: Why training ended.
        computed: How many images went through the backbone; the others' features were in the store.
    """

    path: str
    selection_accuracy: float
    epochs: int
    stopped: str
    computed: int

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.epochs} epochs ({self.stopped}), accuracy {self.selection_accuracy:.4f} on images set aside from training"


def train(
    dataset: Path,
    output: Path,
    weights: str = "imagenet",
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    store: str = "",
) -> TrainResult:
    """Trains a head on the frozen backbone's features and saves backbone and head as one model.

    Args:
        dataset: A Dataset's directory.
        output: Directory for the Model; it must be empty or not exist.
        weights: `imagenet`, `random`, or a path or URI of a Keras weights file.
        config: The step's settings.
        store: Path or URI of the store, where features are kept for the next training; empty for none.

    Raises:
        GraftError: The dataset, the weights, the store or a setting can't be used; nothing is left in `output`.
    """
    data = Dataset.load(dataset)
    check_weights(weights)
    with new_artifact(output, RECORD), tempfile.TemporaryDirectory(prefix="graft-train-") as scratch:
        clock = _Clock()
        import_tensorflow()
        from graft.components.train import backbone, feature_cache, features, fit, head, preprocessing

        clock.lap("import")
        file = local_weights(weights, Path(scratch))
        frozen, weights_digest = backbone.build_backbone(config.cut, config.image_size, file, config.seed)
        scaled = preprocessing.build_preprocessing(config.image_size)
        backbone.check_head(config.head, frozen)
        extractor = _stack(frozen, head.build_pooling(config.head), "extractor")
        clock.lap("build")
        cache = feature_cache.FeatureCache(store, features.kind_of_features(config, weights_digest))
        made = features.compute_features(data, scaled, extractor, cache)
        vectors, labels = made.vectors, made.labels
        clock.lap("features")
        sha256s = data.index(TRAIN, ["sha256"])["sha256"]
        aside = features.selection_mask(sha256s, labels, config.selection_fraction)
        if not aside.any():
            raise GraftError(
                "No image can be set aside to choose the best weights: each class needs two training images."
            )
        new_head = head.build_head(config, vectors[~aside], len(data.classes))
        fitted = fit.fit_head(new_head, vectors, labels, aside, config, len(data.classes), output / "tensorboard")
        clock.lap("head")
        model = _assemble(scaled, _stack(extractor, new_head, NETWORK))
        model.save(output / MODEL)
        clock.lap("save")
        write_record(
            output / RECORD,
            {
                "config": dataclasses.asdict(config),
                "backbone": config.backbone,
                "classes": data.classes,
                "layers": _layer_table(frozen, new_head),
                "history": fitted.history,
                "best_epoch": fitted.best_epoch,
                "stopped": fitted.stopped,
                "selection": {"split": TRAIN, "images": int(aside.sum()), "accuracy": fitted.accuracy},
                "training_images": int((~aside).sum()),
                "features": {"computed": made.computed, "cached": len(labels) - made.computed},
                "dataset_digest": data.digest,
                "weights": weights if weights in ("imagenet", "random") else Path(storage.redact(weights)).name,
                "weights_digest": weights_digest,
                "model_digest": sha256_file(output / MODEL),
                "seconds": clock.laps,
                "versions": {package: version(package) for package in ("keras", "numpy")} | _tensorflow_version(),
            },
        )
    return TrainResult(str(output), fitted.accuracy, len(fitted.history), fitted.stopped, made.computed)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


def _stack(first: Any, second: Any, name: str) -> Any:
    """Chains two models; the first stays in inference mode whatever the mode of the whole, as a frozen network must."""
    import keras

    inputs = keras.Input(first.input.shape[1:], name=f"{name}_input")
    return keras.Model(inputs, second(first(inputs, training=False)), name=name)


def _assemble(preprocessing: Any, network: Any) -> Any:
    """Puts preprocessing and network into the model that is saved: uint8 [N, H, W, 3] of any size to probabilities.

    Without `training=False` the layers after `Resizing` would be called in training mode on export.
    """
    import keras

    inputs = keras.Input((None, None, 3), dtype="uint8", name="image")
    return keras.Model(inputs, network(preprocessing(inputs), training=False), name="graft")


def _layer_table(frozen: Any, head: Any) -> list[dict[str, Any]]:
    return [
        {
            "part": part.name,
            "name": layer.name,
            "class": type(layer).__name__,
            "output_shape": list(layer.output.shape),
            "parameters": layer.count_params(),
            "trainable_parameters": sum(int(weight.numpy().size) for weight in layer.trainable_weights),
        }
        for part in (frozen, head)
        for layer in part.layers
    ]


def _tensorflow_version() -> dict[str, str]:
    return {"tensorflow": import_tensorflow().__version__}
