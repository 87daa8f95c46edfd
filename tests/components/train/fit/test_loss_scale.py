"""Gradients through float16 that overflow: steps are left out until the loss is scaled less, and then the training goes on."""

import keras
import numpy as np

from graft.components.train.network.loss_scale import LossScale


def test_a_training_recovers_from_overflows():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(8, dtype="mixed_float16"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    optimizer = LossScale(keras.optimizers.SGD(0.1), initial_scale=2.0**24)
    model.compile(optimizer, loss="binary_crossentropy", jit_compile=False)
    inputs = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    targets = (inputs[:, :1] > 0).astype(np.float32)
    before = [weight.numpy() for weight in model.weights]

    def changed():
        return any((weight.numpy() != old).any() for weight, old in zip(model.weights, before, strict=True))

    first = float(model.train_on_batch(inputs, targets))
    assert not changed(), "the first step overflows"
    assert float(np.asarray(optimizer.dynamic_scale)) == 2.0**23
    losses = [float(model.train_on_batch(inputs, targets)) for _ in range(40)]
    assert changed()
    assert losses[-1] < first
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
