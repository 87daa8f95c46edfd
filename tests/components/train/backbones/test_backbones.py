"""Every backbone besides the default one goes from a weights file to an exported model, with random weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.model import Model
from graft.components.common.compute.keras_models import EXTRACTOR, NETWORK, PREPROCESSING, backbone_of, load_model
from graft.components.evaluate.evaluate import evaluate
from graft.components.export.config import ExportConfig
from graft.components.export.export import export
from graft.components.gate.config import GateConfig
from graft.components.gate.gate import gate
from graft.components.train.backbones.known import ARCHITECTURES, DEFAULT
from graft.components.train.config import TrainConfig
from graft.components.train.network.assembly import build_network
from graft.components.train.network.backbone import describe_layers, number_layers_afresh
from graft.components.train.train import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_page")]

SIDE = 64
OTHERS = [architecture for architecture in ARCHITECTURES.values() if architecture is not DEFAULT]
# The first layers that have all kinds of layers before them: the ones after them take most of the time and are of the same kinds.
EARLY = {"efficientnet_v2_b0": "block4b_add", "mobilenet_v3_large": "expanded_conv_4_add"}


def name(architecture):
    return architecture.name


def as_keras_has_it(architecture, images):
    """Returns the network of keras.applications with its own preprocessing, and features that float16 can hold."""
    import keras

    number_layers_afresh()
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, architecture.title)(
        include_top=False, weights=None, input_shape=images.shape[1:]
    )
    last = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)][-1]
    last.gamma.assign(last.gamma / np.asarray(network(images, training=False)).std())
    return network


@pytest.fixture(scope="module", params=OTHERS, ids=name)
def keras_s(request, tmp_path_factory):
    """A backbone, Keras' network of it, whose weights are in a file, and images with what it makes of them and where it is cut early."""
    import keras

    architecture = request.param
    images = np.random.default_rng(0).integers(0, 256, (8, 2 * SIDE, 2 * SIDE, 3), np.uint8)
    # The preprocessing halves an image of twice the side, so it averages two by two pixels.
    halved = images.reshape(8, SIDE, 2, SIDE, 2, 3).mean((2, 4), dtype=np.float32)
    network = as_keras_has_it(architecture, halved)
    weights = tmp_path_factory.mktemp("weights") / "pretrained.weights.h5"
    network.save_weights(weights)
    cut = keras.Model(network.input, network.get_layer(EARLY[architecture.name]).output)
    assert {type(layer) for layer in cut.layers} == {type(layer) for layer in network.layers}
    early, whole = (np.asarray(one(halved, training=False)) for one in (cut, network))
    return SimpleNamespace(architecture=architecture, weights=weights, images=images, early=early, whole=whole)


def assert_close(maps, expected):
    np.testing.assert_allclose(np.asarray(maps), expected, atol=1e-4 * expected.std())


def settings(keras_s, **changes):
    return TrainConfig(backbone=keras_s.architecture.name, image_size=SIDE, **changes)


def test_the_whole_network_gives_what_keras_s_own_gives(keras_s):
    """Scaling is the one that Keras has within the network, and the weights are those of the file."""
    config = settings(keras_s)
    assert config.cut == keras_s.architecture.default_cut
    number_layers_afresh()
    network = build_network(config, keras_s.weights)
    assert network.backbone.layers[-1].name == config.cut
    assert network.backbone.count_params() == keras_s.architecture.parameters
    assert_close(network.backbone(network.preprocessing(keras_s.images, training=False)), keras_s.whole)


def test_a_backbone_goes_through_all_steps(keras_s, dataset, tmp_path):
    architecture, cut = keras_s.architecture, EARLY[keras_s.architecture.name]
    config = settings(keras_s, cut=cut, epochs=2, batch_size=16, learning_rate=1e-3)
    train(dataset, tmp_path / "model", str(keras_s.weights), config)
    record = Model.load(tmp_path / "model")
    assert (record.backbone, record.config["cut"]) == (architecture.name, cut)
    backbone = [layer for layer in record.layers if layer.part == architecture.name]
    assert backbone[-1].name == cut
    assert not any(layer.trainable_parameters for layer in backbone)
    model = load_model(tmp_path / "model")
    prepared = model.get_layer(PREPROCESSING)(keras_s.images, training=False)
    assert_close(backbone_of(model.get_layer(NETWORK).get_layer(EXTRACTOR))(prepared, training=False), keras_s.early)

    evaluate(tmp_path / "model", dataset, tmp_path / "evaluation")
    gate(tmp_path / "evaluation", tmp_path / "decision", GateConfig(min_accuracy=0.01))
    made = [tmp_path / step for step in ("model", "evaluation", "decision")]
    export(made[0], dataset, *made[1:], tmp_path / "export", ExportConfig(parity_images=8))
    made = Export.load(tmp_path / "export")
    assert made.formats[made.saved_model].parity.label_agreement == 1


@pytest.mark.parametrize("architecture", OTHERS, ids=name)
def test_its_blocks_are_listed_and_the_last_one_is_the_whole_network(architecture):
    config = TrainConfig(backbone=architecture.name, image_size=SIDE)
    listed = describe_layers(config, every=False)
    assert tuple(cut for cut, _, _ in listed) == architecture.blocks
    assert listed[-1][2] == architecture.parameters
    assert [parameters for _, _, parameters in listed] == sorted(parameters for _, _, parameters in listed)
