"""What an Export has for servers and their clients: requests to warm up with, one as an example, and parameters of batching."""

import base64
import io
import json
from pathlib import Path

from PIL import Image

from graft.components.common.artifacts.export import Export, saved_model_path
from graft.components.common.artifacts.shards.tfrecord import ShardWriter
from graft.components.common.compute.images.orientation import upright
from graft.components.common.protobuf import message_class
from graft.components.common.serving.signatures import STRING
from graft.components.export.saved_model import DEFAULT, INPUT

_SIDE = 128
# TensorFlow Serving reads at most 1000 records of this file, each a PredictionLog.
_WARM_UP, _BATCH = "assets.extra/tf_serving_warmup_requests", 8
# The fields that a request needs. The package tensorflow-serving-api, which has all of them, would bring a second TensorFlow:
# tensorflow_serving/apis/{prediction_log,predict,model}.proto, tensorflow/core/framework/{tensor,tensor_shape}.proto.
_PredictionLog = message_class(
    "PredictionLog",
    {
        "Dim": {"size": (1, "int64")},
        "Shape": {"dim": (2, "*Dim")},
        "Tensor": {"dtype": (1, "int32"), "tensor_shape": (2, "Shape"), "string_val": (8, "*bytes")},
        "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
        "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "map Tensor")},
        "PredictLog": {"request": (1, "PredictRequest")},
        "PredictionLog": {"predict_log": (6, "PredictLog")},
    },
)
_BATCHING = """\
# How TensorFlow Serving puts requests that come at the same time into one batch, on a CPU. It reads this file with
#   tensorflow_model_server --enable_batching --batching_parameters_file=serving/batching.conf ...
# A request of more than max_batch_size images is refused. An image that can't be decoded fails all requests of its batch.
max_batch_size { value: 32 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""


def write_serving_files(export: Path, name: str, encoded: bytes) -> None:
    """Writes what an Export's `serving/` holds besides the graph and the weights.

    Args:
        export: The Export's folder, in which the SavedModel is there.
        name: The model's name.
        encoded: An image, which is sent smaller.
    """
    image = _small(encoded)
    _write_warm_up(export / saved_model_path(name) / _WARM_UP, name, image)
    (export / Export.REQUEST).write_text(_rest_request(image), encoding="utf-8")
    (export / Export.BATCHING).write_text(_BATCHING, encoding="utf-8")


def _write_warm_up(path: Path, name: str, image: bytes) -> None:
    """Writes the requests by which TensorFlow Serving warms a version up before it serves it, and without whose answers it doesn't.

    They are one of a single image and one of a batch, as TFRecords: see
    https://www.tensorflow.org/tfx/serving/saved_model_warmup.
    """
    path.parent.mkdir()
    requests = ShardWriter(path)
    for count in (1, _BATCH):
        log = _PredictionLog()
        request = log.predict_log.request
        request.model_spec.name, request.model_spec.signature_name = name, DEFAULT
        tensor = request.inputs[INPUT]
        tensor.dtype = STRING
        tensor.tensor_shape.dim.add(size=count)
        tensor.string_val.extend([image] * count)
        requests.write(log.SerializeToString(deterministic=True))
    requests.close()


def _small(encoded: bytes) -> bytes:
    """Returns an image as a small JPEG, upright."""
    image = upright(Image.open(io.BytesIO(encoded))).convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def _rest_request(image: bytes) -> str:
    """Returns the JSON body of a request to TensorFlow Serving's REST interface."""
    instance = {INPUT: {"b64": base64.b64encode(image).decode()}}
    return json.dumps({"signature_name": DEFAULT, "instances": [instance]}, indent=2) + "\n"
