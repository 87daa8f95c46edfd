"""A Vertex project for tests: the server that plays it, and the target there."""

import json
import threading

from fake_vertex_endpoints import FakeVertexEndpoints
from fault_sequences import BUCKET, NAME, Scene
from faults import Fault

from graft.components.common.services.vertex import VertexClient
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.targets.vertex import VertexTarget

PROJECT, LOCATION = "my-project", "europe-west4"
ENDPOINT = f"projects/{PROJECT}/locations/{LOCATION}/endpoints/graft-{NAME}"
IMAGE = "registry.example/prediction/tf2-cpu.2-15:latest"
_OTHER = {"predictions": [{"label": "dogs", "class": 1, "probabilities": [0.0, 1.0]}]}
_KINDS = {"error": ("fail", 503), "refused": ("drop before", None), "lost": ("drop after", None)}


class _Server(FakeVertexEndpoints):
    """Asks at each request whether it goes wrong."""

    def __init__(self, scene):
        super().__init__(scene.answer)
        self._scene = scene

    def _fault(self, asked):
        kind = self._scene.faults.kind_of_next()
        if kind == "time-out":
            threading.Event().wait(self._scene.faults.TOO_LATE)  # whoever tests has replaced time.sleep
        elif kind:
            return Fault("", *_KINDS[kind], 1)
        return super()._fault(asked)


class VertexScene(Scene):
    """A Vertex project, with a store's versions in its bucket.

    Args:
        store: The store.
        **settings: Of `DeployConfig`.

    Attributes:
        server: What plays Vertex.
        config: How it is deployed there.
        dead: The versions whose container never starts.
    """

    REACH = 26

    def __init__(self, store, **settings):
        super().__init__()
        self.store, self.dead = store, set()
        self.server = _Server(self)
        self.server.folders = {folder_of(version) for version in store.versions}
        self.config = DeployConfig(target="vertex", project=PROJECT, location=LOCATION, image=IMAGE, **settings)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def answer(self, folder):
        version = version_of(folder)
        if version in self.dead:
            return None
        return _OTHER if version in self.wrong else json.loads(self.store.answer(version))

    def open(self):
        client = VertexClient(PROJECT, LOCATION, self.server.url, lambda: "token")
        return VertexTarget(client, self.config, NAME)

    def traffic(self):
        return {version_of(folder): share for folder, share in self.server.traffic(ENDPOINT).items()}

    def settle(self):
        self.server.finish_operations()


def folder_of(version):
    return f"{BUCKET}/models/{NAME}/versions/{version}/serving/{NAME}/1"


def version_of(folder):
    return folder.split("/")[-4]
