"""The devices of this machine: one CPU, one GPU, or several GPUs that work as one."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.compute.gpus import why_unused
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError

_HALF_PRECISION = (7, 0)  # the compute capability from which GPUs have tensor cores
_IMAGES = {"CPU": 32, "GPU": 128}

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Devices:
    """What a training runs on.

    Attributes:
        kind: `CPU` or `GPU`.
        count: How many there are.
        precision: Keras' dtype policy for the backbone: `mixed_float16` where all GPUs are good at it, else `float32`.
        strategy: The `tf.distribute` strategy over all of them.
    """

    kind: str
    count: int
    precision: str
    strategy: Any


def find_devices(require_gpu: bool = False) -> Devices:
    """Returns the GPUs, or the CPU where there is none.

    Raises:
        GraftError: A GPU is required, and there is none.
    """
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if require_gpu and not gpus:
        why = why_unused(tf) or "There is none here: give it one (--gpus all)."
        raise GraftError(f"A GPU is required (require_gpu). {why}")
    kind = "GPU" if gpus else "CPU"
    count = len(tf.config.list_logical_devices(kind))
    capable = [tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus]
    half = bool(gpus) and min(capable) >= _HALF_PRECISION
    strategy = (
        tf.distribute.MirroredStrategy([f"{kind}:{number}" for number in range(count)])
        if count > 1
        else tf.distribute.get_strategy()
    )
    return Devices(kind, count, "mixed_float16" if half else "float32", strategy)


def images_at_once() -> int:
    """Returns how many images to pass through a network at once, on all devices together."""
    tf = import_tensorflow()
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return int(_IMAGES[kind] * tf.distribute.get_strategy().num_replicas_in_sync)


def on_all_devices(network: Any, inputs: Any = None) -> Callable[[Any], Array]:
    """Compiles a network, by XLA on GPUs, and spreads each batch over the devices of the current strategy.

    Args:
        network: Keras model or function of a tensor and `training`, whose first axis is the batch; it runs in inference mode.
        inputs: `tf.TensorSpec` of a batch, of any length, so that the last one, which is shorter, costs no further trace.

    Returns:
        A function from a batch to the network's output as a numpy array, in the same order.
    """
    tf = import_tensorflow()
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    compiled = tf.function(
        lambda batch: network(batch, training=False),
        input_signature=[inputs] if inputs is not None and replicas == 1 else None,  # a strategy takes none
        autograph=False,
        reduce_retracing=True,
        jit_compile=bool(tf.config.list_physical_devices("GPU")) or None,
    )
    if replicas == 1:
        return lambda batch: np.asarray(compiled(batch))

    def run(batch: Any) -> Array:
        parts = np.array_split(np.asarray(batch), replicas)
        values = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )
        outputs = strategy.experimental_local_results(strategy.run(compiled, args=(values,)))
        return np.concatenate([np.asarray(output) for output in outputs])

    return run
