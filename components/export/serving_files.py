"""What lies beside a SavedModel for servers and their clients: an example of a request, and parameters of batching."""

import base64
import io
import json
from pathlib import Path

from PIL import Image

from graft.components.common.artifacts.export import Export
from graft.components.common.compute.orientation import upright
from graft.components.export.saved_model import INPUT

_SIDE = 128
_BATCHING = """\
# How TensorFlow Serving puts requests that come at the same time into one batch, on a CPU. It reads this file with
#   tensorflow_model_server --enable_batching --batching_parameters_file=serving/batching.conf ...
# A request of more images than max_batch_size is refused, and one image that can't be decoded fails all requests of its batch.
max_batch_size { value: 32 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""


def write_serving_files(export: Path, encoded: bytes) -> None:
    """Writes what an Export's `serving/` holds beside the model.

    Args:
        export: The Export's folder, whose `serving/` is there.
        encoded: An image, which is sent smaller.
    """
    (export / Export.REQUEST).write_text(_rest_request(_small(encoded)), encoding="utf-8")
    (export / Export.BATCHING).write_text(_BATCHING, encoding="utf-8")


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
    return json.dumps({"signature_name": "serving_default", "instances": [instance]}, indent=2) + "\n"
