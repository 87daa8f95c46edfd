"""Trainings in this process without what most tests don't look at: each its own network, and the page.

Of the 6.1 CPU seconds of a training as small as the tests' ones Keras takes 2.1 to make the three hundred layers of a network.
"""

import contextlib
import random
import sys
from collections import defaultdict
from types import SimpleNamespace

import pytest

from graft.components.train.backbones.architecture import Architecture

MOST = 3
"""Networks that are kept, of 90 MB each."""


class Networks:
    """Builds networks as `Architecture.build` does, and gives one again where all is as it was when that one was built.

    What it depends on is the network, the side, the precision, Python's random numbers, from which Keras draws the weights, and how
    far Keras has counted layers. A network comes with its first weights, and leaves numbers and counts as building it did.
    """

    def __init__(self):
        self._build, self._kept = Architecture.build, {}

    def build(self, architecture, image_size):
        import keras
        from keras.src.backend.common import global_state

        counts = global_state.get_global_attribute("object_name_uids", {})
        told = architecture.name, image_size, keras.config.dtype_policy().name
        key = *told, random.getstate(), tuple(sorted(counts.items()))
        if key not in self._kept:
            network = self._build(architecture, image_size)
            if len(self._kept) == MOST:
                del self._kept[next(iter(self._kept))]
            values = [variable.value.read_value() for variable in network.variables]
            after = random.getstate(), dict(global_state.get_global_attribute("object_name_uids"))
            self._kept[key] = SimpleNamespace(network=network, values=values, after=after)
            return network
        found = self._kept[key]
        for variable, value in zip(found.network.variables, found.values, strict=True):
            variable.assign(value)
        for layer in found.network.layers:
            layer.trainable = True
        state, names = found.after
        random.setstate(state)
        global_state.set_global_attribute("object_name_uids", defaultdict(int, names))
        return found.network


def build_once(networks):
    """Has trainings of this process build networks once: nobody but a training knows its network, which it lets go of at its end."""
    making = sys.modules.get("graft.components.train.making")  # which imports TensorFlow
    if making is None or hasattr(making.build_network, "once"):
        return
    build_network = making.build_network

    def build(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Architecture, "build", lambda *asked: networks.build(*asked))
            return build_network(*arguments)

    build.once = True
    making.build_network = build


@contextlib.contextmanager
def without_page():
    """Leaves out the pages of trainings, which take a CPU second, and four where images are augmented."""
    from graft.components.train import making

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "write_page", lambda *_: None)
        yield
