"""What `graft doctor` looks at on this machine."""

from functools import partial
from pathlib import Path
from tempfile import gettempdir

from graft.components.common import storage
from graft.components.common.artifacts.signing.keys import look_at_keys
from graft.components.common.compute.asked_tensorflow import TENSORFLOW_SECONDS, ask_once, look_at_tensorflow
from graft.components.common.compute.gpus import look_at_gpu
from graft.components.common.compute.machine import look_at_memory, look_at_package, look_at_python
from graft.components.common.extras import how_to_install
from graft.components.common.findings import Look
from graft.components.common.storage.web.clock import look_at_clock
from graft.components.export.formats import look_at_formats
from graft.components.resolve.preflight import look_at_store
from graft.components.train.backbones.known import DEFAULT
from graft.components.train.backbones.weights import look_at_weights
from graft.pipelines.local.docker_runner import DockerOptions, look_at_docker

_PIPELINES = f"Run {how_to_install('kfp')}."
_STORE = "Check its address, the network and the credentials, or name another one by --store."
_TENSORFLOW = TENSORFLOW_SECONDS + 1  # so that it is its own limit that tells


def machine_looks(weights: str, store: str, server: str) -> list[Look]:
    """Returns the looks at this machine.

    Args:
        weights: Pretrained weights, as a run takes them; empty for those that a run without any takes.
        store: Path or URI of the store; empty for none.
        server: Address of a server whose clock is right; empty for that of the ImageNet weights.
    """
    folders, ask = [Path("runs"), Path(gettempdir()), storage.cache_root()], ask_once()
    looks = [
        Look("Python", look_at_python),
        Look("Memory", look_at_memory),
        Look("Disk", partial(storage.look_at_disk, folders), "Check the disks: one of them hangs."),
        Look(
            "Clock", partial(look_at_clock, server or DEFAULT.imagenet_url), "Set it by NTP if in doubt.", needed=False
        ),
        Look("TensorFlow", partial(look_at_tensorflow, ask), seconds=_TENSORFLOW),
        Look("GPU", partial(look_at_gpu, ask), needed=False, seconds=_TENSORFLOW),
        Look("Pipelines", partial(look_at_package, "Pipelines", "kfp", _PIPELINES)),
        Look("Export", look_at_formats),
        Look("Docker", partial(look_at_docker, DockerOptions().image), _PIPELINES, needed=False),
        Look("Signatures", look_at_keys),
        Look("Weights", partial(look_at_weights, weights), "Name a copy by --weights.", needed=bool(weights)),
    ]
    return [*looks, Look("Store", partial(look_at_store, store), _STORE)] if store else looks
