"""The devices of this machine: one CPU, one GPU, or several GPUs that work as one."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.common.errors import GraftError
from graft.components.common.extras import how_to_install
from graft.components.common.findings import Finding

_HALF_PRECISION = (7, 0)  # the compute capability from which GPUs have tensor cores
_IMAGES = {"CPU": 32, "GPU": 128}
# Where NVIDIA's driver shows itself, also in a container: what it is, and its control device.
_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
# Of a process of its own: an import that crashes or hangs takes nothing along.
_ASK_TENSORFLOW = """
import json
from graft.components.common.compute.tensorflow import import_tensorflow
tensorflow = import_tensorflow()
details = map(tensorflow.config.experimental.get_device_details, tensorflow.config.list_physical_devices("GPU"))
gpus = [gpu.get("device_name", "GPU") for gpu in details]
print(json.dumps([tensorflow.__version__, tensorflow.test.is_built_with_cuda(), gpus]))
"""
TENSORFLOW_SECONDS = 60.0
"""What importing TensorFlow may take on a cold machine."""

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
        built = (
            "" if tf.test.is_built_with_cuda() else ", and this TensorFlow is the CPU's: use the GPU image, graft:gpu"
        )
        raise GraftError(f"A GPU is required (require_gpu) and none is visible here{built}. Give it one (--gpus all).")
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


def look_at_tensorflow() -> Finding:
    """Tells whether TensorFlow can be imported, and which it is."""
    try:
        version, _, _ = _ask_tensorflow()
    except GraftError as error:
        remedy = f"Install it again: make run does, or {how_to_install('tensorflow')}."
        return Finding("TensorFlow", False, str(error), remedy)
    return Finding("TensorFlow", ok=True, text=version)


def look_at_gpu() -> Finding:
    """Tells which GPUs TensorFlow sees, or why none."""
    if not any(Path(place).exists() for place in _DRIVER):
        remedy = "Training runs on the CPU. A container needs --gpus all."
        return Finding("GPU", False, "no NVIDIA driver is visible here", remedy, needed=False)
    _, with_cuda, gpus = _ask_tensorflow()
    if gpus:
        return Finding("GPU", ok=True, text=", ".join(gpus), needed=False)
    if not with_cuda:
        remedy = "Use the image graft:gpu, or pip install 'graft[gpu]'."
        return Finding(
            "GPU", False, "there is an NVIDIA driver, but this TensorFlow is the CPU's", remedy, needed=False
        )
    remedy = "Use the image graft:gpu, which has the CUDA libraries, and check the driver by nvidia-smi."
    return Finding("GPU", False, "there is an NVIDIA driver, but TensorFlow sees no GPU", remedy, needed=False)


def _ask_tensorflow() -> tuple[str, bool, list[str]]:
    """Returns TensorFlow's version, whether it is built for GPUs, and the names of those that it sees.

    Raises:
        GraftError: It can't be imported.
    """
    command = [sys.executable, "-c", _ASK_TENSORFLOW]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TENSORFLOW_SECONDS)  # noqa: S603
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        why = lines[-1] if lines else f"exit code {error.returncode}"
        raise GraftError(f"TensorFlow can't be imported ({why}).") from None
    except subprocess.TimeoutExpired:
        raise GraftError(f"TensorFlow took more than {TENSORFLOW_SECONDS:.0f} s to import.") from None
    version, with_cuda, gpus = json.loads(asked.stdout)
    return version, with_cuda, gpus


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
