"""Loss scaling for gradients that pass through float16, on one device or several."""

from typing import Any

import keras

from graft.components.common.compute.tensorflow import import_tensorflow


class LossScale(keras.optimizers.LossScaleOptimizer):  # type: ignore[misc]
    """Keras' dynamic loss scaling, with a step left out where any device's gradients overflow.

    Keras asks the first device alone whether its gradients are finite; another one's infinity would then reach all weights.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Applies the gradients, or lowers the scale if they are not finite on every device.

        Args:
            grads: This device's gradients, of the scaled loss.
            trainable_variables: What they are the gradients of.
        """
        tf = import_tensorflow()
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            here = tf.cast(tf.logical_not(self.check_finite(grads)), tf.float32)
            overflows = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)
            spoil = tf.where(overflows > 0, float("inf"), 0.0)
            grads = [grad if grad is None else grad + tf.cast(spoil, grad.dtype) for grad in grads]
        super().apply(grads, trainable_variables)
