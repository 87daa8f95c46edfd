"""Every backbone besides the default one goes from a weights file to an exported model, with random weights."""

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
from graft.components.train.network.backbone import describe_layers, number_layers_afresh
from graft.components.train.train import train

pytestmark = pytest.mark.slow

SIDE = 64
OTHERS = [architecture for architecture in ARCHITECTURES.values() if architecture is not DEFAULT]


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


@pytest.mark.parametrize("architecture", OTHERS, ids=name)
def test_a_backbone_goes_through_all_steps(architecture, dataset, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 2 * SIDE, 2 * SIDE, 3), np.uint8)
    # The preprocessing halves an image of twice the side, so it averages two by two pixels.
    halved = images.reshape(8, SIDE, 2, SIDE, 2, 3).mean((2, 4), dtype=np.float32)
    original = as_keras_has_it(architecture, halved)
    original.save_weights(tmp_path / "pretrained.weights.h5")

    config = TrainConfig(backbone=architecture.name, image_size=SIDE, epochs=2, batch_size=16, learning_rate=1e-3)
    train(dataset, tmp_path / "model", str(tmp_path / "pretrained.weights.h5"), config)
    record = Model.load(tmp_path / "model")
    assert (record.backbone, record.config["cut"]) == (architecture.name, architecture.default_cut)
    backbone = [layer for layer in record.layers if layer.part == architecture.name]
    assert backbone[-1].name == architecture.default_cut
    assert sum(layer.parameters for layer in backbone) == architecture.parameters
    assert not any(layer.trainable_parameters for layer in backbone)
    # Scaling is the one that Keras has within the network, and the weights are those of the file.
    model = load_model(tmp_path / "model")
    prepared = model.get_layer(PREPROCESSING)(images, training=False)
    maps = backbone_of(model.get_layer(NETWORK).get_layer(EXTRACTOR))(prepared, training=False)
    expected = np.asarray(original(halved, training=False))
    np.testing.assert_allclose(np.asarray(maps), expected, atol=1e-4 * expected.std())

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
