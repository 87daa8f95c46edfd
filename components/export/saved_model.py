"""The SavedModel format: what TensorFlow Serving and plain TensorFlow load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft.components.common.compute.decoding import decode
from graft.components.common.compute.keras_models import NETWORK, PREPROCESSING
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.export.converters import CONFIDENT

DEFAULT, BYTES, PIXELS = "serving_default", "serve_bytes", "serve_pixels"
# TensorFlow Serving's REST interface decodes {"b64": …} for inputs of such names.
INPUT = "image_bytes"


def write_saved_model(model: Any, classes: Sequence[str], folder: Path, abstain_below: float | None = None) -> None:
    """Writes a Keras model as a SavedModel.

    It has two endpoints, which are signatures as well. `serve_bytes`, the `serving_default`, takes encoded images, string [N], each of a
    size of its own, and decodes them as `decode` does. `serve_pixels` takes uint8 [N, H, W, 3] RGB images, upright, of one size a batch.
    Both give `label`, string [N], `class`, int64 [N], and `probabilities`, float32 [N, classes]; with `abstain_below` also `confident`,
    bool [N]. Keras' own export would trace every part
    of the model as an endpoint of its own, which takes three times as long.

    Args:
        model: A model that the train step saved.
        classes: The class names in label order.
        folder: The SavedModel's directory.
        abstain_below: The confidence below which the model is not confident; None if there is none.
    """
    tf = import_tensorflow()
    preprocessing, network = model.get_layer(PREPROCESSING), model.get_layer(NETWORK)
    names = tf.constant(list(classes))
    prepared = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)

    @tf.function(input_signature=[prepared], autograph=False)
    def predict(images: Any) -> Any:
        outputs = network(images, training=False)
        probabilities = tf.concat([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs
        predicted = tf.argmax(probabilities, axis=1)
        answer = {"label": tf.gather(names, predicted), "class": predicted, "probabilities": probabilities}
        if abstain_below is not None:
            answer[CONFIDENT] = tf.reduce_max(probabilities, axis=1) >= tf.constant(abstain_below, tf.float32)
        return answer

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=INPUT)], autograph=False)
    def serve_bytes(image_bytes: Any) -> Any:
        return predict(
            tf.map_fn(
                lambda encoded: decode(encoded, preprocessing),
                image_bytes,
                fn_output_signature=tf.TensorSpec(prepared.shape[1:], tf.float32),
            )
        )

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="image")], autograph=False)
    def serve_pixels(image: Any) -> Any:
        return predict(preprocessing(image, training=False))

    module = tf.Module()
    # What is tracked must be TensorFlow's own variables: of Keras' a session would restore copies, and not those that are read.
    module.model_variables = [variable.value for variable in model.variables]
    module.serve_bytes, module.serve_pixels = serve_bytes, serve_pixels
    signatures = {DEFAULT: serve_bytes, BYTES: serve_bytes, PIXELS: serve_pixels}
    tf.saved_model.save(module, str(folder), signatures=signatures)
