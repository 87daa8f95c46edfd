"""Running a network over batches of images, on all devices together."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graft.components.common.compute.tensorflow import import_tensorflow

_CPU_IMAGES = 32
_GPU_IMAGES = (8, 512)
# InceptionV3's largest map, at 299 px, takes 62 bytes a pixel of the image, MobileNetV3's 68; there are up to four such at once.
_BYTES_A_PIXEL = 256
_MEMORY_SHARE = 8
# XLA takes 6 to 11 s to compile a network for one shape (measured on one H100 with 16 cores). There it ran 250 million pixels a second.
# That it takes a third less time than plain TensorFlow is an assumption: it would spare 2 s of every thousand million pixels.
_PIXELS_TO_COMPILE = 4_000_000_000

Array = np.ndarray[Any, Any]


def on_gpus() -> bool:
    """Tells whether networks run on GPUs here."""
    return bool(import_tensorflow().config.list_physical_devices("GPU"))


def images_at_once(pixels: int) -> int:
    """Returns how many images to pass through a network at once, on all devices together: as many as an eighth of a GPU's memory takes.

    Args:
        pixels: Of an image, as the network takes it.
    """
    each = _CPU_IMAGES
    if on_gpus():
        fewest, most = _GPU_IMAGES
        fitting = gpu_memory() // _MEMORY_SHARE // (pixels * _BYTES_A_PIXEL)
        each = max(fewest, min(most, 2 ** int(math.log2(max(1, fitting)))))
    return int(each * import_tensorflow().distribute.get_strategy().num_replicas_in_sync)


@functools.cache
def gpu_memory() -> int:
    """Returns the bytes that TensorFlow may take of the smallest GPU's memory."""
    import_tensorflow()
    from tensorflow.python.client import device_lib  # the public interface tells only what is in use

    return min(int(device.memory_limit) for device in device_lib.list_local_devices() if device.device_type == "GPU")


def pays_to_compile(pixels: int) -> bool:
    """Tells whether XLA spares more time than it takes to compile a network.

    Args:
        pixels: Of all images that will pass through the network.
    """
    return on_gpus() and pixels >= _PIXELS_TO_COMPILE


def arithmetic(images: int, pixels: int) -> dict[str, Any]:
    """Returns what the last bit of a network's output depends on besides its weights and its input, on this machine.

    Args:
        images: How many will pass through the network.
        pixels: Of an image, as the network takes it.
    """
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    named = {tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus}
    return {
        "device": ", ".join(sorted(named)) or "CPU",
        "precision": "float32",  # in which all models are saved, and TF32 is off
        "batch": images_at_once(pixels),
        "compiled": pays_to_compile(images * pixels),
    }


def on_all_devices(
    network: Any, inputs: Any = None, *, size: int = 0, compiles: bool = False
) -> Callable[[Any], Array]:
    """Makes of a network what runs it, each batch being spread over the devices of the current strategy.

    Args:
        network: Keras model or function of a tensor and `training`, whose first axis is the batch; it runs in inference mode.
        inputs: `tf.TensorSpec` of a batch, of any length, so that one of another length costs no further trace.
        size: Inputs that a smaller batch is filled up to, since another shape may be computed by other algorithms, and a GPU looks for
            them anew; 0 for none.
        compiles: Whether XLA compiles it.

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
        jit_compile=compiles or None,
    )

    def run(batch: Any) -> Array:
        count = len(batch)
        if missing := max(0, size - count):
            batch = tf.concat([batch, tf.repeat(batch[:1], missing, axis=0)], axis=0)
        if replicas == 1:
            return np.asarray(compiled(batch))[:count]
        parts = np.array_split(np.asarray(batch), replicas)
        values = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )
        outputs = strategy.experimental_local_results(strategy.run(compiled, args=(values,)))
        return np.concatenate([np.asarray(output) for output in outputs])[:count]

    return run
