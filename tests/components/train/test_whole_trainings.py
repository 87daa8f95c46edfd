"""Whole trainings: views, live augmentation, unfreezing, what they leave behind, and what is refused."""

import dataclasses
import json
import shutil

import fsspec
import numpy as np
import pytest
from PIL import Image
from support import BLOCK, FLAT, QUICK
from training_pages import without_page

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.compute import devices
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.passes import read_images
from graft.components.common.errors import GraftError
from graft.components.evaluate.evaluate import evaluate
from graft.components.ingest.ingest import ingest
from graft.components.train import train as train_step
from graft.components.train.features.training_set import collect_training_set
from graft.components.train.fit import fit_phase
from graft.components.train.fit.calibration import Logits
from graft.components.train.fit.phases import unfrozen_phase
from graft.components.train.network.assembly import build_network
from graft.components.train.network.backbone import find_range, number_layers_afresh
from graft.components.train.network.head import build_head
from graft.components.train.train import train
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

RANGE = "conv2d_3..mixed0"


@pytest.fixture
def trained(dataset, tmp_path, quick):
    """Trains on the small dataset with changed settings; returns folder, record and result."""

    def run(folder="model", store="", dataset=dataset, **changes):
        config = dataclasses.replace(quick, **changes)
        result = train(dataset, tmp_path / folder, "random", config, store)
        return tmp_path / folder, json.loads((tmp_path / folder / "training.json").read_text()), result

    return run


@pytest.fixture
def plain(chain):
    """What the same settings give unchanged: folder and record."""
    return chain / "model", json.loads((chain / "model" / "training.json").read_text())


@pytest.fixture(scope="module")
def network():
    """What stands before the head, up to a block, before any training; nobody trains it."""
    number_layers_afresh()
    return build_network(dataclasses.replace(BLOCK, unfreeze=RANGE), None)


def some_images(dataset, count=3):
    return [image.numpy() for image, _ in read_images(Dataset.load(dataset), "validation").take(count)]


def layer_of(model, name):
    return model.get_layer("network").get_layer("extractor").get_layer("inception_v3").get_layer(name)


@pytest.fixture(scope="module")
def mirrored(dataset, tmp_path_factory):
    """A training on several cuts that predicts the mirror image too and is selected on the validation images, and its evaluation."""
    folder = tmp_path_factory.mktemp("mirrored")
    config = dataclasses.replace(
        QUICK, epochs=3, cut="activation+activation_2", mirror=True, selection_split="validation"
    )
    with without_page():
        result = train(dataset, folder / "model", "random", config)
    evaluate(folder / "model", dataset, folder / "evaluation")
    records = [
        json.loads((folder / name).read_text()) for name in ("model/training.json", "evaluation/evaluation.json")
    ]
    return folder / "model", result, *records


def test_several_cuts_stand_side_by_side_and_mirrored_images_get_the_same_probability(mirrored, plain, dataset):
    folder, _, record, _ = mirrored
    head = [layer for layer in record["layers"] if layer["part"] == "head"]
    assert head[0]["output_shape"] == [None, 32 + 64]
    models = load_model(folder), load_model(plain[0])
    for image in some_images(dataset):
        views = image[None], image[None, :, ::-1]
        pairs = [[model(view, training=False).numpy() for view in views] for model in models]
        assert pairs[0][0] == pytest.approx(pairs[0][1], abs=1e-5)
        assert pairs[1][0] != pytest.approx(pairs[1][1], abs=1e-5)


def test_selection_on_validation_is_said_everywhere(mirrored):
    _, result, record, evaluation = mirrored
    assert record["selection"]["split"] == "validation"
    assert (record["selection"]["images"], record["training_images"]) == (20, 40)
    assert "on the validation images" in result.summary
    assert evaluation["selected_on_split"] is True
    assert evaluation["metrics"]["accuracy"] == pytest.approx(record["selection"]["accuracy"])


def test_cached_views_are_computed_once_and_only_for_new_images(trained, plain, dataset, tmp_path, quick):
    number_layers_afresh()
    network = build_network(QUICK, None)
    changes = {"augmentation": "cached", "views": 2, "mirror": True}
    config, store = dataclasses.replace(quick, **changes), str(tmp_path / "store")
    _, cold, _ = trained("cold", store, **changes)
    assert cold["features"] == {"computed": 40, "cached": 0}
    assert cold["history"] != plain[1]["history"]
    assert (tmp_path / "cold" / "augmented_samples.png").is_file()

    def collect(folder, store, **others):
        return collect_training_set(Dataset.load(folder), network, dataclasses.replace(config, **others), store)

    warm = collect(dataset, store)
    assert (warm.computed, warm.cached) == (0, 40)
    assert (warm.vectors == collect(dataset, "").vectors).all()
    pictures = tmp_path / "pictures"
    shutil.copytree(dataset.parent / "pictures", pictures)
    draw_sample(tmp_path / "more", images=60, seed=1)
    for name in ("cats", "dogs"):
        new = sorted((tmp_path / "more" / "train" / name).iterdir())[0]
        shutil.copy(new, pictures / "train" / name / f"0-new{new.suffix}")
    ingest(str(pictures), tmp_path / "grown")
    grown = collect(tmp_path / "grown", store)
    assert grown.computed == 2
    assert (grown.vectors == collect(tmp_path / "grown", "").vectors).all()
    # A view more computes that view alone, and other settings of the augmentation are other views.
    assert collect(dataset, store, views=3).computed == 40
    assert collect(dataset, store, rotation=30.0).computed == 40


def test_live_augmentation_repeats_with_its_seed(trained, no_page):
    """By the other head, the standardising one, test_interruption.py trains twice."""
    changes = {"augmentation": "live", "cut": FLAT, "head": "flatten-dense", "learning_rate": 1e-4, "epochs": 2}
    _, first, _ = trained("first", **changes)
    _, again, _ = trained("again", **changes)
    assert first["history"] == again["history"]
    assert first["features"]["computed"] == 4, "it looks at the images that select the weights alone"


STOPPED = {"epochs": 60, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def stopped(dataset, tmp_path_factory):
    """A training that stops at an accuracy of the training images, although layers are to be unfrozen: folder and record."""
    folder = tmp_path_factory.mktemp("stopped") / "model"
    changes = {"stop_at_accuracy": 0.8, "stop_on": "training", "unfreeze": RANGE}
    config = dataclasses.replace(BLOCK, **STOPPED, **changes, tensorboard="memory://logs/here?token=secret")
    train(dataset, folder, "random", config)
    return folder, json.loads((folder / "training.json").read_text())


def test_it_stops_at_a_wanted_accuracy_of_the_training_images(stopped):
    _, record = stopped
    assert record["stopped"] == "accuracy reached"
    accuracies = [entry["accuracy"] for entry in record["history"]]
    assert accuracies[-1] >= 0.8 and all(accuracy < 0.8 for accuracy in accuracies[:-1])
    assert record["best_epoch"] == len(accuracies) < 60


def test_a_head_that_reaches_the_wanted_accuracy_is_not_unfrozen(stopped):
    _, record = stopped
    assert [phase["name"] for phase in record["phases"]] == ["head"]


@pytest.fixture(scope="module")
def training_set(dataset, network):
    """What is collected for a head, without augmentation; a phase of unfrozen layers takes only labels and splits of it."""
    return collect_training_set(Dataset.load(dataset), network, BLOCK, "")


@pytest.mark.parametrize(
    ("changes", "augmented"),
    [
        ({}, False),
        ({"mirror": True}, True),
        ({"augmentation": "cached", "views": 1}, True),
        ({"augmentation": "live"}, True),
    ],
)
def test_unfrozen_layers_see_images_augmented_as_the_head_did(dataset, network, training_set, changes, augmented):
    config, data = dataclasses.replace(BLOCK, unfreeze=RANGE, **changes), Dataset.load(dataset)
    head = build_head(config, training_set.vectors.reshape(-1, training_set.vectors.shape[-1]), 2)
    phase = unfrozen_phase(data, network, head, training_set, config)
    (seen, _) = next(iter(phase.stream(0)))
    images = [network.preprocessing(image[None])[0] for image, _ in read_images(data, "train")]
    plain = sum(any(np.allclose(image, other, atol=1e-5) for other in images) for image in seen)
    assert plain < len(seen) if augmented else plain == len(seen)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_logits_that_are_calibrated_are_those_of_the_probabilities_that_are_scored(
    dataset, network, training_set, mirror
):
    config = dataclasses.replace(BLOCK, unfreeze=RANGE, mirror=mirror)
    head = build_head(config, training_set.vectors.reshape(-1, training_set.vectors.shape[-1]), 2)
    phase = unfrozen_phase(Dataset.load(dataset), network, head, training_set, config)
    logits = Logits(phase.logits(), training_set.selection_labels, "train")
    assert len(logits.views) == 1 + mirror
    assert logits.loss() == pytest.approx(phase.score()["selection_loss"], rel=1e-4)


@pytest.fixture(scope="module", params=["off", "live"])
def unfrozen(request, dataset, unfreezing, tmp_path_factory):
    """A training that unfreezes layers: how images are augmented in it, folder and record."""
    if request.param == "off":
        folder = request.getfixturevalue("unfrozen_model")
    else:
        folder = tmp_path_factory.mktemp("unfrozen") / "model"
        train(dataset, folder, "random", dataclasses.replace(unfreezing, augmentation=request.param))
    return request.param, folder, json.loads((folder / "training.json").read_text())


def test_unfreezing_moves_what_it_names_and_nothing_else(unfrozen, network):
    _, folder, record = unfrozen
    assert [phase["name"] for phase in record["phases"]] == ["head", "unfrozen layers"]
    assert len(record["history"]) == 3 + 2
    assert record["features"]["computed"] == 40, "augmented live, the standardising head looks at all images once"
    assert record["best_epoch"] > 3, "the unfrozen phase was no better, so that the test shows nothing"
    original = network.backbone
    model = load_model(folder)
    names = [layer.name for layer in original.layers]
    moved = set()
    for layer in original.layers:
        pairs = zip(layer.get_weights(), layer_of(model, layer.name).get_weights(), strict=True)
        if any((before != after).any() for before, after in pairs):
            moved.add(layer.name)
    named = {name for name in names[names.index("conv2d_3") :] if name.startswith("conv2d")}
    assert moved == named, "BatchNormalization and the layers before stay as they were"
    trainable = {layer["name"] for layer in record["layers"] if layer["trainable_parameters"]}
    assert trainable - {"probability"} == named


def test_the_page_and_the_pictures_hold_everything(unfrozen):
    augmentation, folder, record = unfrozen
    with Image.open(folder / "learning_curves.png") as curves:
        assert curves.size == (1200, 480)
    assert (folder / "augmented_samples.png").exists() == (augmentation == "live")
    if augmentation == "live":
        with Image.open(folder / "augmented_samples.png") as sheet:
            assert sheet.size == (6 * 75, 4 * 75)
    svg = (folder / "learning_curves.svg").read_text()
    best = record["best_epoch"]
    gap = record["history"][best - 1]["accuracy"] - record["history"][best - 1]["selection_accuracy"]
    assert f"kept: epoch {best}, gap {gap:+.3f}" in svg
    assert "layers unfrozen" in svg and "held-out images" in svg
    page = (folder / "training.html").read_text()
    assert "<svg" in page and ("data:image/png;base64," in page) == (augmentation == "live")
    assert "src=" not in page.replace('src="data:image/png', "")
    assert "<dt>learning_rate</dt><dd>0.001</dd>" in page


def test_unfreezing_that_does_not_help_leaves_the_head_s_model(trained, no_page):
    changes = {"cut": "activation_1", "unfreeze": "conv2d_1..activation_1"}
    _, record, result = trained(**changes, unfreeze_learning_rate=0.5, unfreeze_epochs=1)
    assert record["best_epoch"] <= 3 < len(record["history"])
    assert result.selection_accuracy == record["history"][record["best_epoch"] - 1]["selection_accuracy"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": "flatten-dense", "cut": "mixed0+mixed1"}, "flatten-dense stands on one cut"),
        ({"cut": "mixed0+mixd1"}, "no layer 'mixd1' to cut at"),
        ({"require_gpu": True}, r"A GPU is required .*There is none here: give it one"),
        ({"batch_size": 41, "selection_split": "validation"}, "batch_size 41 is more than the 40 images"),
    ],
)
def test_what_can_t_be_is_refused_before_any_work(trained, tmp_path, changes, said):
    with pytest.raises(GraftError, match=said):
        trained(**changes)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("mixed0", r"name a range of layers, such as mixed6\.\.mixed7"),
        ("mixed1..mixed2", "'mixed1', which is not in the network up to the cut. Did you mean mixed0"),
        ("mixed0..conv2d", "from there to there no layer has weights to train"),
        ("activation..activation", "no layer has weights to train"),
    ],
)
def test_layers_that_can_t_be_unfrozen(network, layers, said):
    with pytest.raises(GraftError, match=said):
        find_range(network.backbone, layers)


def test_a_secret_in_the_logs_uri_reaches_no_record(trained, stopped):
    with pytest.raises(GraftError, match="memory://logs/here/.* is named with a user name or password"):
        trained(tensorboard="memory://user:secret@logs/here")
    folder, record = stopped
    assert record["config"]["tensorboard"] == "memory://logs/here"
    assert not any(b"secret" in path.read_bytes() for path in folder.iterdir() if path.is_file())


def test_it_stops_at_a_wanted_accuracy_of_the_selection_and_its_logs_are_copied_to_where_they_are_watched(
    trained, bucket, no_page
):
    logs = f"{bucket}/logs"
    folder, record, result = trained(tensorboard=logs, stop_at_accuracy=0.6, **STOPPED, cut=BLOCK.cut)
    assert record["stopped"] == "accuracy reached"
    assert result.selection_accuracy >= 0.6
    fs, path = fsspec.core.url_to_fs(logs)
    fs.invalidate_cache()
    copies = {name.rpartition("/")[2]: fs.cat_file(name) for name in fs.find(path)}
    here = {file.name: file.read_bytes() for file in (folder / "tensorboard").rglob("events.*")}
    assert copies == here and len(here) == 2
    assert accuracies(folder / "tensorboard" / "selection") == pytest.approx(
        [entry["selection_accuracy"] for entry in record["history"]]
    )


def accuracies(folder):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    (file,) = folder.iterdir()
    values = [value for event in EventFileLoader(str(file)).Load() for value in event.summary.value]
    return [float(make_ndarray(value.tensor)) for value in values if value.tag == "epoch_accuracy"]


def test_what_was_trained_in_half_precision_is_served_in_full(
    trained, unfreezing, unfrozen_model, dataset, monkeypatch, no_page
):
    found = devices.find_devices()
    monkeypatch.setattr(
        train_step, "find_devices", lambda require: dataclasses.replace(found, precision="mixed_float16")
    )
    optimizers, build = [], fit_phase._optimizer
    monkeypatch.setattr(fit_phase, "_optimizer", lambda *args: optimizers.append(build(*args)) or optimizers[-1])
    folder, record, _ = trained(**dataclasses.asdict(unfreezing) | {"unfreeze_epochs": 1})
    assert record["devices"]["precision"] == "mixed_float16"
    scaled = [type(optimizer).__name__ == "LossScale" for optimizer in optimizers]
    assert scaled == [False, True], "where gradients pass through float16, the loss is scaled"
    model = load_model(folder)
    policies = {layer.dtype_policy.name for layer in model._flatten_layers() if layer.weights}
    assert policies == {"float32"}
    evaluate(folder, dataset, folder.parent / "evaluation")
    in_full = json.loads((unfrozen_model / "training.json").read_text())
    losses = [run["history"][2]["selection_loss"] for run in (record, in_full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert np.isfinite(losses).all()
