"""The original project's recipe in plain Keras, as a yardstick: python tests/bench/original.py --source … --weights …

Flatten, Dense(1024, relu), Dropout(0.2), sigmoid on the frozen InceptionV3 at 150 px; pixels divided by 255; rotation 40, shifts,
shear and zoom 0.2 and flips at every step; batches of 20; binary cross-entropy; RMSprop 1e-4. Prints JSON: seconds of each
epoch, and the accuracy on the validation images after it.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIZE, BATCH = (150, 150), 20


def build_model(cut: str, weights: Path) -> keras.Model:
    """Returns the compiled model on the frozen network up to a layer."""
    network = keras.applications.InceptionV3(include_top=False, weights=str(weights), input_shape=(*SIZE, 3))
    network.trainable = False
    x = keras.layers.Flatten()(network.get_layer(cut).output)
    x = keras.layers.Dense(1024, activation="relu")(x)
    x = keras.layers.Dropout(0.2)(x)
    model = keras.Model(network.input, keras.layers.Dense(1, activation="sigmoid")(x))
    optimizer = keras.optimizers.RMSprop(learning_rate=1e-4)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Trains, and prints how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cut", default="mixed7")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(arguments.source, folder)
        (train,) = Path(folder).glob("**/train")
        augmented = ImageDataGenerator(
            rescale=1 / 255,
            rotation_range=40,
            width_shift_range=0.2,
            height_shift_range=0.2,
            shear_range=0.2,
            zoom_range=0.2,
            horizontal_flip=True,
        )
        how = {"target_size": SIZE, "batch_size": BATCH, "class_mode": "binary"}
        training = augmented.flow_from_directory(train, **how)
        validation = ImageDataGenerator(rescale=1 / 255).flow_from_directory(train.with_name("validation"), **how)
        model = build_model(arguments.cut, arguments.weights)
        times = [time.monotonic()]
        note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: times.append(time.monotonic()))
        history = model.fit(
            training, validation_data=validation, epochs=arguments.epochs, verbose=0, callbacks=[note]
        ).history
    result = {
        "epoch_seconds": [round(after - before, 2) for before, after in pairwise(times)],
        "accuracy": [round(value, 4) for value in history["val_accuracy"]],
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
