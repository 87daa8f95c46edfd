"""Predictions that are kept in the store: a baseline runs on new images only, and the figures are those of a run on all."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from exports import export_of

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.model import Model
from graft.components.common.artifacts.model_source import open_model
from graft.components.common.compute import pack_file
from graft.components.common.compute.keras_models import load_model
from graft.components.common.compute.predictions import predict
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate
from graft.components.evaluate.predictions import kept_predictions
from graft.components.evaluate.predictions.kept_predictions import KeptPredictions, PredictionCache, kind_of_predictions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def champion(other_model):
    with open_model(str(other_model)) as model:
        yield model


@pytest.fixture(scope="module")
def sha256s(dataset):
    return Dataset.load(dataset).index("validation", ["sha256"])["sha256"]


@pytest.fixture(scope="module")
def full(champion, dataset):
    """What the champion predicts as the new model does: it runs in full, on the images."""
    return predict(load_model(champion.folder), Dataset.load(dataset), "validation", "predicting")[0]


@pytest.fixture
def asked(champion, dataset, sha256s, tmp_path):
    """Asks for the champion's predictions, as a run with that store does."""

    def ask(store=str(tmp_path / "store")):
        kept = KeptPredictions(store, Dataset.load(dataset), "validation", sha256s)
        return kept, kept.of(champion, "evaluating the champion")

    return ask


def packs(tmp_path):
    return list((tmp_path / "store").glob("predictions/*/*.arrow"))


def test_what_was_predicted_is_kept_to_the_last_bit_and_no_image_is_looked_at_again(
    asked, full, tmp_path, monkeypatch, caplog
):
    first, computed = asked()
    assert (first.computed, first.found, first.bytes_read) == (20, 0, 0)
    assert first.bytes_written == sum(path.stat().st_size for path in packs(tmp_path)) > 0
    monkeypatch.setattr(kept_predictions, "load_model", lambda folder: pytest.fail("the model was loaded"))
    caplog.set_level("INFO")
    second, found = asked()
    assert (second.computed, second.found) == (0, 20)
    assert (second.bytes_read, second.bytes_written) == (first.bytes_written, 0)
    assert "evaluating the champion: the predictions for 20 of 20 images were kept" in caplog.text
    np.testing.assert_array_equal(computed, full)
    np.testing.assert_array_equal(found, full)


def test_only_new_images_run_and_a_single_one_gives_what_it_gives_among_others(
    asked, champion, sha256s, full, tmp_path
):
    cache = PredictionCache(str(tmp_path / "store"), kind_of_predictions(Model.load(champion.folder), len(sha256s)))
    cache.keep(sha256s[:7] + sha256s[8:], np.delete(full, 7, axis=0))
    cache.flush()
    kept, found = asked()
    assert (kept.computed, kept.found) == (1, 19)
    np.testing.assert_array_equal(found, full)
    again, _ = asked()
    assert again.computed == 0


def test_without_a_store_all_run(asked, full):
    kept, found = asked("")
    assert (kept.computed, kept.found, kept.bytes_read, kept.bytes_written) == (20, 0, 0, 0)
    np.testing.assert_array_equal(found, full)


def not_finite(values):
    values[3] = np.nan


def not_one_together(values):
    values[3] = 0.7


def negative(values):
    values[3] = (-1, 2)


@pytest.mark.parametrize("harm", [None, not_finite, not_one_together, negative])
def test_a_pack_that_is_damaged_or_holds_no_probabilities_is_told_of_and_computed_anew(
    asked, champion, dataset, sha256s, full, tmp_path, monkeypatch, caplog, harm
):
    kept = KeptPredictions(str(tmp_path / "store"), Dataset.load(dataset), "validation", sha256s)
    kept.add(Model.load(champion.folder), full)
    (path,) = packs(tmp_path)
    content = bytearray(path.read_bytes())
    if harm is None:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        told = "A pack of cached predictions is damaged and computed again: "
    else:
        values = full.copy()
        harm(values)
        with path.open("rb") as file:
            kind, names = pack_file.kind_and_names(file)
        content = pack_file.pack(names, values, "predictions", json.dumps(kind, sort_keys=True))
        path.unlink()
        path = path.with_name(f"{hashlib.sha256(content).hexdigest()}.arrow")
        path.write_bytes(content)
        told = (
            "A pack of cached predictions is left out and computed again (it holds numbers that are no probabilities): "
        )
    # That it is computed is known by the batches that are asked for; what they hold, other tests tell.
    batches = iter([(full, None, None)])
    monkeypatch.setattr(kept_predictions, "load_model", lambda folder: None)
    monkeypatch.setattr(kept_predictions, "predict_batches", lambda *_: batches)
    again, found = asked()
    assert again.computed == 20 and f"{told}{path}" in caplog.text
    np.testing.assert_array_equal(found, full)
    assert next(batches, None) is None


def test_all_that_changes_a_number_changes_the_key(chain, other_model, monkeypatch):
    model, other = Model.load(chain / "model"), Model.load(other_model)
    usual = kind_of_predictions(model, 20)
    assert usual == kind_of_predictions(model, 30)
    assert usual["model"] == model.model_digest and usual["precision"] == "float32" and usual["device"] == "CPU"
    assert kind_of_predictions(other, 20) != usual
    monkeypatch.setattr(kept_predictions, "version", lambda package: "4.0")
    assert kind_of_predictions(model, 20) != usual
    monkeypatch.undo()
    monkeypatch.setattr(kept_predictions, "DECODING", "decoded otherwise")
    assert kind_of_predictions(model, 20) != usual
    monkeypatch.undo()
    for field, value in {"device": "NVIDIA H100", "batch": 512, "compiled": True}.items():
        machine = kept_predictions.arithmetic(20, 75**2) | {field: value}
        monkeypatch.setattr(kept_predictions, "arithmetic", lambda images, pixels, machine=machine: machine)
        assert kind_of_predictions(model, 20) != usual
        monkeypatch.undo()


def test_a_version_that_ran_as_the_new_model_is_a_champion_without_running(chain, other_model, dataset, tmp_path):
    run, registry = Run(str(tmp_path / "store"), "pets", "1"), Registry(str(tmp_path / "store"), "pets")
    first = evaluate(other_model, dataset, tmp_path / "first", run=run)
    assert (first.baselines_computed, first.baselines_kept) == (0, 0) and first.bytes_written > 0
    export_of(other_model, tmp_path / "export")
    registry.promote(registry.publish(tmp_path / "export"))
    version = registry.versions.uri(registry.latest().version)
    second = evaluate(chain / "model", dataset, tmp_path / "second", run=run)
    assert (second.baselines_computed, second.baselines_kept) == (0, 20)
    without = EvaluateConfig(champion=version, anchor=version)
    alone = evaluate(chain / "model", dataset, tmp_path / "alone", without)
    assert (alone.baselines_computed, alone.baselines_kept, alone.bytes_written) == (20, 0, 0)
    assert figures(tmp_path / "second") == figures(tmp_path / "alone")
    assert (tmp_path / "second/predictions.parquet").read_bytes() == (
        tmp_path / "alone/predictions.parquet"
    ).read_bytes()


def figures(folder: Path):
    """All that an evaluation says but when and how fast it was made, and where the store is."""
    found = json.loads((folder / "evaluation.json").read_text())
    return {name: value for name, value in found.items() if name not in ("created", "images_per_second", "settings")}
