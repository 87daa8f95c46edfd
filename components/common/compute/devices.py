"""The devices of this machine: one CPU, one GPU, or several GPUs that work as one."""

import dataclasses
from typing import Any

from graft.components.common.compute.gpus import why_unused
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError

_HALF_PRECISION = (7, 0)  # the compute capability from which GPUs have tensor cores


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
