"""A script that does something on two devices, which are halves of the CPU, and prints what came of it as JSON: WHAT [WORD …]"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from graft.components.common.compute.devices import find_devices
from graft.components.common.errors import GraftError
from graft.components.train import making
from graft.components.train.config import TrainConfig
from graft.components.train.fit.batches import fetch_vectors, stream_of
from graft.components.train.network.loss_scale import LossScale
from graft.components.train.train import train


def train_with(dataset, output, config):
    """Trains, without the page."""
    making.write_page = lambda *_: None
    train(Path(dataset), Path(output), "random", TrainConfig(**json.loads(config)))


def sizes_of_batches():
    """Returns the sizes of two epochs' batches, and the steps of one."""
    with find_devices().strategy.scope():
        rows = np.arange(33, dtype=np.float32)[:, None]
        stream, steps = stream_of(fetch_vectors(rows), rows, TrainConfig(batch_size=16), 0, 2)
        return [len(inputs) for inputs, _ in stream(0)], steps


def steps_with_an_overflow():
    """Takes a step with an overflow on either device and one without, and returns the variable and the loss's scale after each."""
    strategy = find_devices().strategy
    with strategy.scope():
        variable = keras.Variable(np.ones(3, np.float32))
        optimizer = LossScale(keras.optimizers.SGD(1.0), initial_scale=8.0)
        optimizer.build([variable])

    @tf.function(autograph=False)
    def step(place):
        def on_each():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            grad = tf.where(tf.equal(number, place), float("inf"), 8.0) * tf.ones(3)
            optimizer.apply([grad], [variable])

        strategy.run(on_each)

    found = []
    for place in (0, 1, -1):
        step(tf.constant(place))
        found.append((np.asarray(variable).tolist(), float(np.asarray(optimizer.dynamic_scale))))
    return found


if __name__ == "__main__":
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    try:
        found = globals()[sys.argv[1]](*sys.argv[2:])
    except GraftError as error:
        found = str(error)
    print(json.dumps(found))
