"""A server that has a SavedModel and tensorflow, and nothing else: python tests/serving.py FOLDER

It speaks as much of TensorFlow Serving's REST interface as a prediction takes, and prints its port.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
predict = model.signatures["serving_default"]
assert "graft.components" not in sys.modules


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            images = [base64.b64decode(instance["image_bytes"]["b64"]) for instance in body["instances"]]
            outputs = {
                name: tensor.numpy().tolist() for name, tensor in predict(image_bytes=tf.constant(images)).items()
            }
            outputs["label"] = [label.decode() for label in outputs["label"]]
            answer = [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]
            status, content = 200, {"predictions": answer}
        except tf.errors.InvalidArgumentError as error:
            status, content = 400, {"error": error.message}
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
