"""An example of a request to a server that has the SavedModel."""

import base64
import io
import json

from PIL import Image

from graft.components.export.saved_model import INPUT

_SIDE = 128


def example_request(encoded: bytes) -> str:
    """Returns the JSON body of a request to TensorFlow Serving's REST interface, for one image, which is sent smaller."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    content = base64.b64encode(buffer.getvalue()).decode()
    return json.dumps({"signature_name": "serving_default", "instances": [{INPUT: {"b64": content}}]}, indent=2) + "\n"
