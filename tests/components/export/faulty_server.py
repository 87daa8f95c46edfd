"""A server for TensorFlow Serving's REST interface that is wrong in one way: python faulty_server.py FOLDER NAME PORT FAULT

It says of every image that it is a cat, by 0.75 to 0.25.
"""

import base64
import io
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

folder, name, port, fault = sys.argv[1:]
asked = 0


def predict(instances):
    """Returns status and answer."""
    global asked
    asked += 1
    if fault == "dies":
        print("out of luck", flush=True)
        os._exit(3)
    if fault == "memory":
        held = [bytearray(1 << 20) for _ in range(4096)]
        return 200, len(held)
    if fault == "text":
        return 200, "no predictions"
    for instance in instances:
        try:
            Image.open(io.BytesIO(base64.b64decode(instance["image_bytes"]["b64"]))).convert("RGB")
        except (OSError, Image.DecompressionBombError) as error:
            if fault != "accepts":
                fallen.append(fault == "falls")
                return 400, {"error": str(error)}
    probabilities = {"other": [0.74, 0.26], "nan": [float("nan"), 0.25], "three": [0.75, 0.15, 0.1]}.get(
        fault, [0.75, 0.25]
    )
    if any(fallen):
        probabilities = [0.25, 0.75]
    prediction = {"label": "dogs" if fault == "label" else "cats", "probabilities": probabilities}
    return 200, {"predictions": [prediction] * (len(instances) - (fault == "fewer"))}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if fault == "silent" or (fault == "dies at last" and self.path == "/v2"):
            time.sleep(2)
            os._exit(3)
        ready = self.path == f"/v1/models/{name}" and fault != "never ready"
        is_v2 = self.path == "/v2" and fault != "no version"
        self.answer(200 if ready or is_v2 else 404, {"name": "faulty", "version": "1.2"} if is_v2 else {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == f"/v1/models/{name}:predict"
        self.answer(*predict(body["instances"]))

    def answer(self, status, content):
        if fault in ("endless", "drips") and self.command == "POST":
            self.send_response(200)
            self.send_header("Content-Length", "1000000000")
            self.end_headers()
            while True:
                self.wfile.write(b" " * (2**16 if fault == "endless" else 1))
                time.sleep(0 if fault == "endless" else 0.1)
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded)))
        if fault == "packed wrongly":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(encoded)


fallen = []
assert (Path(folder) / "1").is_dir()
if fault == "not started":
    sys.exit("no such model")
ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
