"""Heat lies where the network found what spoke for the class, in every kind of network that train builds."""

import dataclasses
import functools

import numpy as np
import pytest
from evaluation_reports import Made

from graft.components.common.compute.keras_models import EXTRACTOR, HEAD, NETWORK, POOLING, backbone_of
from graft.components.common.compute.tensorflow import import_tensorflow
from graft.components.evaluate.report import gradcam
from graft.components.evaluate.report.gradcam import affordable, heat_maps, log_odds
from graft.components.train.config import TrainConfig
from graft.components.train.network.assembly import build_network, whole_model
from graft.components.train.network.backbone import number_layers_afresh
from graft.components.train.network.head import build_head

CONFIG = TrainConfig(cut="activation_11", image_size=75)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (20, 75, 75, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds a whole model with an untrained head, saves it and loads it again; one of each kind."""
    import_tensorflow()
    import keras

    @functools.cache
    def before_the_head(config):
        number_layers_afresh()
        return build_network(config, None)

    @functools.cache
    def build(classes=2, **changes):
        config = dataclasses.replace(CONFIG, **changes)
        network = before_the_head(dataclasses.replace(config, mirror=False))
        features = np.asarray(network.extractor(IMAGES[:8]))
        path = tmp_path_factory.mktemp("model") / "model.keras"
        whole_model(network, build_head(config, features, classes), config).save(path)
        return keras.models.load_model(path, compile=False, safe_mode=True)

    return build


def parts(model):
    extractor = model.get_layer(NETWORK).get_layer(EXTRACTOR)
    return backbone_of(extractor), model.get_layer(NETWORK).get_layer(HEAD)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "changes", "shape"),
    [
        (2, {}, (7, 7)),
        (3, {}, (7, 7)),
        (2, {"head": "flatten-dense"}, (7, 7)),
        (5, {"head": "flatten-dense", "mirror": True}, (7, 7)),
        (2, {"cut": "conv2d_2+mixed0", "mirror": True}, (7, 7)),
        (3, {"cut": "mixed3+mixed0"}, (3, 3)),
    ],
)
def test_every_kind_of_network(build, classes, changes, shape):
    model = build(classes, **changes)
    heat = heat_maps(model, IMAGES, [number % classes for number in range(20)])
    assert heat.shape == (20, *shape) and heat.dtype == np.float32
    assert np.isfinite(heat).all() and heat.min() >= 0
    assert set(heat.max(axis=(1, 2)).tolist()) <= {0.0, 1.0} and heat.max() == 1
    again = heat_maps(model, IMAGES[:3], [0, 1 % classes, 2 % classes])
    assert again == pytest.approx(heat[:3], abs=1e-3)


@pytest.mark.slow
def test_on_gpus_the_last_batch_is_filled_up_and_the_rest_left_out(build, monkeypatch):
    model, labels, seen = build(), [number % 2 for number in range(20)], []
    plain = heat_maps(model, IMAGES, labels)
    logits = gradcam._Parts.logits
    monkeypatch.setattr(gradcam._Parts, "logits", lambda self, maps: seen.append(len(maps[0])) or logits(self, maps))
    monkeypatch.setattr(gradcam, "on_gpus", lambda: True)
    assert heat_maps(model, IMAGES, labels) == pytest.approx(plain, abs=1e-3)
    assert seen == [16, 16]
    assert heat_maps(model, IMAGES[:0], []).shape == (0, *plain.shape[1:])


@pytest.mark.slow
@pytest.mark.parametrize("label", [0, 1])
def test_pooled_features_give_grad_cam_as_published(build, label):
    model = build()
    backbone, head = parts(model)
    maps = np.asarray(backbone(IMAGES)).reshape(20, 7, 7, -1)
    standardize, dense = head.get_layer("standardize"), head.layers[-1]
    weights = np.asarray(dense.kernel)[:, 0] / np.sqrt(np.asarray(standardize.variance)).ravel()
    cam = np.maximum(maps @ (weights if label else -weights), 0)
    expected = cam / cam.max(axis=(1, 2), keepdims=True).clip(1e-12)
    assert heat_maps(model, IMAGES, [label] * 20) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_a_mirrored_image_has_mirrored_heat(build):
    model = build(3, mirror=True)
    labels = [0, 1, 2, 0]
    plain, mirrored = (heat_maps(model, images, labels) for images in (IMAGES[:4], IMAGES[:4, :, ::-1]))
    assert mirrored == pytest.approx(plain[:, :, ::-1], abs=1e-3)


@pytest.mark.slow
def test_fewer_images_where_each_costs_more(build):
    plain, mirrored = affordable(build()), affordable(build(mirror=True))
    assert plain == 2 * mirrored + 1 == 711


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "said"), [(9, "Each has a heat map beside it"), (2, "Each of the first 2 has a heat map beside it")]
)
def test_heat_lies_beside_the_mistakes(build, tmp_path, monkeypatch, most, said):
    monkeypatch.setattr(gradcam, "affordable", lambda model: most)
    page = Made(wrong=3).write(tmp_path / "report.html", build())
    assert sum(image["alt"].startswith("Heat map for") for image in page.all("img")) == min(most, 3)
    assert said in page.text


@pytest.fixture
def looks_at_one_place():
    """A model whose second class is spoken for by the red of one place, and by nothing else."""
    import_tensorflow()
    import keras

    def build(place, size=6):
        image = keras.Input((size, size, 3))
        backbone = keras.Model(image, keras.layers.Activation("linear")(image))
        tensor = keras.Input((size, size, 3))
        pool = keras.Model(tensor, keras.layers.Flatten()(tensor), name=POOLING)
        inputs = keras.Input((size, size, 3))
        extractor = keras.Model(inputs, pool(backbone(inputs)), name=EXTRACTOR)
        kernel = np.zeros((size, size, 3, 1), np.float32)
        kernel[(*place, 0)] = 100
        head = keras.Sequential(
            [keras.Input((3 * size * size,)), keras.layers.Dense(1, activation="sigmoid")], name=HEAD
        )
        head.set_weights([kernel.reshape(-1, 1), np.zeros(1)])
        whole = keras.Input((size, size, 3))
        network = keras.Model(whole, head(extractor(whole)), name=NETWORK)
        outer = keras.Input((size, size, 3))
        return keras.Model(outer, network(outer))

    return build


@pytest.mark.parametrize("place", [(0, 0), (5, 0), (2, 4)])
def test_heat_lies_in_the_one_place_that_counts(looks_at_one_place, place):
    model = looks_at_one_place(place)
    white = np.ones((2, 6, 6, 3), np.float32)
    assert model(white[:1]).numpy() == 1  # saturated: its own gradient would be 0 everywhere
    heat = heat_maps(model, white, [1, 0])
    expected = np.zeros((6, 6))
    expected[place] = 1
    assert (heat[0] == expected).all()
    assert (heat[1] == 0).all()


def test_no_images_no_heat(looks_at_one_place):
    assert heat_maps(looks_at_one_place((0, 0)), np.zeros((0, 6, 6, 3), np.float32), []).shape == (0, 6, 6)


@pytest.mark.parametrize("logits", [[0.0, 3.0], [0.0, 300.0], [0.0, -300.0], [50.0, 0.0, -400.0]])
@pytest.mark.parametrize("views", [1, 2])
def test_log_odds_never_saturate(logits, views):
    tf = import_tensorflow()
    for label in range(len(logits)):
        tensor = tf.constant([logits])
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            odds = log_odds([tensor] * views, tf.constant([label]))
        others = [value for number, value in enumerate(logits) if number != label]
        expected = logits[label] - float(np.logaddexp.reduce(np.array(others)))
        assert odds.numpy()[0] == pytest.approx(expected, rel=1e-4, abs=1e-3)
        gradient = tape.gradient(odds, tensor).numpy()[0]
        assert gradient[label] == pytest.approx(1, abs=1e-3) and np.isfinite(gradient).all()


def test_log_odds_of_two_views_are_those_of_their_mean():
    tf = import_tensorflow()
    views = [tf.constant([[0.0, 2.0, 1.0]]), tf.constant([[1.0, -1.0, 0.5]])]
    mean = np.mean([tf.nn.softmax(view).numpy()[0] for view in views], axis=0)
    for label in range(3):
        odds = log_odds(views, tf.constant([label])).numpy()[0]
        assert odds == pytest.approx(np.log(mean[label] / (1 - mean[label])), abs=1e-4)
