"""Train, evaluate, gate and export on a small real dataset, without KFP."""

import dataclasses
import json
import shutil
import signal
import subprocess
import zipfile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from exports import make_export
from support import BLOCK, FLAT, QUICK

from graft.components.common.artifacts.checksums import SUMS, write_sums
from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.model import Abstention, Model, Stopped
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.compute.decoding import decode
from graft.components.common.compute.keras_models import load_model
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate
from graft.components.evaluate.summary import figures
from graft.components.export.config import ExportConfig
from graft.components.export.export import export
from graft.components.export.formats import FURTHER
from graft.components.export.publishing import publish
from graft.components.gate.config import GateConfig
from graft.components.gate.gate import gate
from graft.components.ingest.dataset.previous_dataset import latest_dataset
from graft.components.ingest.ingest import ingest
from graft.components.train.train import train
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

INPUTS = ("model", "dataset", "evaluation", "decision")
"""What export takes."""


def record(folder, name):
    return json.loads((folder / name).read_text())


def test_training_record_tells_everything(chain, dataset):
    training = record(chain / "model", "training.json")
    assert training["config"] == dataclasses.asdict(QUICK)
    assert training["dataset_digest"] == Dataset.load(dataset).digest
    assert len(training["history"]) == QUICK.epochs
    assert set(training["history"][0]) == {"loss", "accuracy", "selection_loss", "selection_accuracy"}
    backbone = [layer for layer in training["layers"] if layer["part"] == "inception_v3"]
    head = [layer for layer in training["layers"] if layer["part"] == "head"]
    assert backbone[-1]["name"] == QUICK.cut
    assert sum(layer["trainable_parameters"] for layer in backbone) == 0
    assert sum(layer["trainable_parameters"] for layer in head) == 32 + 1
    assert list((chain / "model" / "tensorboard").rglob("events.out.tfevents.*"))
    # Keras numbers what it makes, and the number is a part of the file and so of the model's digest.
    with zipfile.ZipFile(chain / "model" / "model.keras") as saved:
        assert b'"name": "adam"' in saved.read("config.json")


def weights(folder):
    return [weight.numpy() for weight in load_model(folder).weights]


def assert_same_model(one, other):
    # Its digest is what a withdrawn model is known by.
    assert record(one, "training.json")["model_digest"] == record(other, "training.json")["model_digest"]
    assert record(one, "training.json")["history"] == record(other, "training.json")["history"]
    assert all((a == b).all() for a, b in zip(weights(one), weights(other), strict=True))


def test_the_same_seed_gives_the_same_model_and_so_do_kept_features_without_a_pass(chain, dataset, tmp_path):
    store = str(tmp_path / "store")
    assert train(dataset, tmp_path / "cold", "random", QUICK, store).computed == 40
    assert train(dataset, tmp_path / "warm", "random", QUICK, store).computed == 0
    assert_same_model(tmp_path / "cold", chain / "model")
    assert_same_model(tmp_path / "warm", chain / "model")
    assert record(tmp_path / "warm", "training.json")["features"] == {"computed": 0, "cached": 40}
    # Other features, and another model, since they come of another seed's weights.
    config = dataclasses.replace(QUICK, epochs=1, seed=1)
    assert train(dataset, tmp_path / "seed", "random", config, store).computed == 40
    first = [record(tmp_path / name, "training.json")["history"][0] for name in ("cold", "seed")]
    assert first[0] != first[1]


def test_a_grown_dataset_computes_moves_and_counts_its_new_images_alone(dataset, tmp_path, bucket):
    store = f"{bucket}/store"
    fs, folder = fsspec.core.url_to_fs(store)

    def run(number):
        """Runs ingest and train, and returns what they say and how many bytes the store had and has of each kind."""
        before, this = kept(), Run(store, "pets", f"run-{number}")
        made = ingest(str(pictures), tmp_path / f"data-{number}", run=this, previous=latest_dataset(this))
        return made, train(tmp_path / f"data-{number}", tmp_path / f"model-{number}", "random", BLOCK, store), before

    def kept():
        fs.invalidate_cache()
        return {name: sum(fs.du(f"{folder}/{name}", total=False).values()) for name in ("shards", "features")}

    pictures = tmp_path / "pictures"
    shutil.copytree(dataset.parent / "pictures", pictures)
    first, trained, _ = run(1)
    assert first.bytes_written == kept()["shards"]
    assert trained.bytes_written == kept()["features"]
    on_train = {shard.uri: shard.bytes for shard in shards_of(tmp_path / "data-1", "train")}
    assert trained.bytes_read == sum(on_train.values())
    draw_sample(tmp_path / "more", images=60, seed=1)
    for name in ("cats", "dogs"):
        new = sorted((tmp_path / "more" / "train" / name).iterdir())[0]
        shutil.copy(new, pictures / "train" / name / f"0-new{new.suffix}")
    second, again, before = run(2)
    grown = kept()
    assert second.bytes_written == grown["shards"] - before["shards"] < first.bytes_written / 10
    assert again.bytes_written == grown["features"] - before["features"] < trained.bytes_written / 5
    new_shards = [shard.bytes for shard in shards_of(tmp_path / "data-2", "train") if shard.uri not in on_train]
    assert again.bytes_read == sum(new_shards) + before["features"]
    assert (trained.computed, again.computed) == (40, 2)
    train(tmp_path / "data-2", tmp_path / "cold", "random", BLOCK)
    assert_same_model(tmp_path / "cold", tmp_path / "model-2")


def shards_of(folder, split):
    """The entries of the shards that hold a split's images."""
    data = Dataset.load(folder)
    used = set(data.index(split, ["shard"])["shard"])
    return [shard for shard in data.shards if shard.name in used]


def test_a_killed_pass_goes_on_where_it_stopped(forker, chain, dataset, tmp_path):
    killed = f"""
import os, pathlib, signal
from graft.components.common.compute import packs
from graft.components.train.config import TrainConfig
from graft.components.train.train import train
packs.PACK_SECONDS = 0
write = packs.PackCache._write
def write_and_die(self, *arguments):
    write(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)
packs.PackCache._write = write_and_die
train(pathlib.Path({str(dataset)!r}), pathlib.Path({str(tmp_path / "model")!r}), "random",
      TrainConfig(**{dataclasses.asdict(QUICK)!r}), {str(tmp_path / "store")!r})
"""
    [(code, _)] = forker.run(tmp_path, killed, [])
    assert code == -signal.SIGKILL
    assert train(dataset, tmp_path / "model", "random", QUICK, str(tmp_path / "store")).computed == 8
    assert_same_model(tmp_path / "model", chain / "model")


def test_evaluation_is_of_the_validation_images_one_row_each(chain, dataset):
    evaluation = record(chain / "evaluation", "evaluation.json")
    assert (evaluation["split"], evaluation["images"], evaluation["selected_on_split"]) == ("validation", 20, False)
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet").to_pydict()
    assert rows["sha256"] == Dataset.load(dataset).index("validation", ["sha256"])["sha256"]
    right = np.mean([label == predicted for label, predicted in zip(rows["label"], rows["predicted"], strict=True)])
    assert evaluation["metrics"]["accuracy"] == pytest.approx(right)
    assert np.add(rows["probability_cats"], rows["probability_dogs"]) == pytest.approx(1)


FORMATS = tuple(name for name in FURTHER if name != "litert-int8")
"""Random weights put all images near the border between the classes: int8's rounding moves some across."""


@pytest.fixture(scope="module")
def abstaining(chain, tmp_path_factory):
    """The Model of the chain as one that is confident for the half of the evaluated images with the highest probabilities."""
    folder, model = tmp_path_factory.mktemp("abstaining"), Model.load(chain / "model")
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet")
    confidence = np.maximum(rows["probability_cats"], rows["probability_dogs"])
    told = {"wanted_accuracy": 0.98, "split": "train", "images": 4, "answered": 2, "wrong": 0}
    abstention = Abstention(abstain_below=float(np.median(confidence)), **told)
    shutil.copyfile(chain / "model" / "model.keras", folder / "model.keras")
    model.model_copy(update={"abstention": abstention}).write(folder)
    return folder


@pytest.fixture(scope="module")
def exports(chain, abstaining, three_classes, tmp_path_factory):
    """Two Exports that were published, one after the other, and the latest version after the first: of three classes and waiting for a
    person, then of two classes in further formats, of a model that abstains."""
    folder = tmp_path_factory.mktemp("exports")
    run = Run(str(folder / "store"), "pets", "1")
    three, two = ([made / name for name in INPUTS] for made in (three_classes[0], chain))
    two[0] = abstaining
    waiting = export(*three, folder / "waiting", ExportConfig(parity_images=4, promote="manual"), run)
    latest = Registry(run.store, run.name).latest().version
    first = export(*two, folder / "first", ExportConfig(formats=FORMATS, parity_images=20), run)
    return folder, waiting, latest, first


def test_further_formats_give_what_was_evaluated(exports):
    folder, _, _, made = exports
    assert made.formats == ("serving/pets/1", "model.keras", *(FURTHER[name].path for name in FORMATS))
    formats = record(folder / "first", "export.json")["formats"]
    assert formats["model.onnx"]["parity"]["max_difference"] <= 1e-5
    assert formats["model.tflite"]["parity"]["max_difference"] <= 1e-5
    assert "| model-float16.tflite |" in (folder / "first" / "MODEL_CARD.md").read_text()


def test_every_format_is_confident_for_the_same_images(exports, abstaining, chain):
    folder, _, _, _ = exports
    told = record(folder / "first", "export.json")
    agreements = {path: entry["parity"].get("confident_agreement") for path, entry in told["formats"].items()}
    assert agreements.pop("model.keras") is None, "it is the evaluated file itself, which has no such output"
    assert set(agreements.values()) == {1.0} and len(agreements) == 1 + len(FORMATS)
    assert told["served"][0]["parity"]["confident_agreement"] == 1.0
    answer = json.loads((folder / "first" / "serving" / "response.json").read_text())["predictions"][0]
    assert set(answer) == {"label", "class", "probabilities", "confident"}
    assert answer["confident"] is (max(answer["probabilities"]) >= Model.load(abstaining).abstain_below)
    # By TensorFlow itself, of the evaluated images: half of them, as the evaluation has it.
    loaded = tf.saved_model.load(str(folder / "first" / "serving" / "pets" / "1"))
    encoded = list(read_encoded(Dataset.load(chain / "dataset"), "validation", range(20)))
    found = loaded.signatures["serving_default"](image_bytes=tf.constant(encoded))["confident"].numpy()
    rows = pq.read_table(chain / "evaluation" / "predictions.parquet")
    confidence = np.maximum(rows["probability_cats"], rows["probability_dogs"])
    assert found.sum() in (9, 10, 11)
    assert (found == (confidence >= np.median(confidence))).sum() >= 19
    # A model without a confidence gives what it gave before.
    plain = json.loads((chain / "export" / "serving" / "response.json").read_text())["predictions"][0]
    assert set(plain) == {"label", "class", "probabilities"}


def test_export_is_whole_and_its_checksums_hold(chain):
    exported = chain / "export"
    assert (exported / "labels.txt").read_text() == "cats\ndogs\n"
    assert (exported / "MODEL_CARD.md").read_text().startswith("# Model card: model\n")
    names = {path.name for path in (exported / "lineage").iterdir()}
    assert names == {
        *("dataset.json", "index.parquet", "training.json", "decision.json"),
        *("evaluation.json", "predictions.parquet", "report.html", "labels.csv"),
    }
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=exported, check=True)
    listed = {line.split("  ")[1] for line in (exported / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    assert listed == there - {"SHA256SUMS"}
    assert record(exported, "export.json")["formats"]["serving/model/1"]["parity"]["max_difference"] <= 1e-5


def test_pixels_give_what_bytes_give(chain, dataset):
    data, model = Dataset.load(dataset), tf.saved_model.load(str(chain / "export/serving/model/1"))
    for content in read_encoded(data, "validation", [0, 19]):
        pixels = decode(content)[None]
        both = [model.serve_bytes(tf.constant([content])), model.signatures["serve_pixels"](image=pixels)]
        assert all((both[0][name].numpy() == both[1][name].numpy()).all() for name in ("label", "class"))
        assert both[0]["probabilities"].numpy() == pytest.approx(both[1]["probabilities"].numpy(), abs=1e-6)


def test_a_format_that_differs_is_not_exported(chain, dataset, tmp_path):
    evaluation = tmp_path / "evaluation"
    shutil.copytree(chain / "evaluation", evaluation)
    table = pq.read_table(evaluation / "predictions.parquet")
    for name in ("cats", "dogs"):
        wrong = pa.array([1 - value for value in table[f"probability_{name}"].to_pylist()], pa.float32())
        table = table.set_column(table.column_names.index(f"probability_{name}"), f"probability_{name}", wrong)
    pq.write_table(table, evaluation / "predictions.parquet")
    # Whichever check comes to it first: of the formats, or of what the server gives.
    differs = r"model.keras differs from the evaluated model by up to .* \(limit 0.001\)|differ from the evaluation's by up to"
    with pytest.raises(GraftError, match=differs):
        export(chain / "model", dataset, evaluation, chain / "decision", tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("damage", ["cut off", "missing", "of other classes"])
def test_damaged_predictions_are_refused(chain, dataset, tmp_path, damage):
    evaluation = tmp_path / "evaluation"
    shutil.copytree(chain / "evaluation", evaluation)
    file = evaluation / "predictions.parquet"
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:500])
    elif damage == "missing":
        file.unlink()
    else:
        pq.write_table(pq.read_table(file).drop_columns(["probability_dogs"]), file)
    with pytest.raises(GraftError, match=r"predictions\.parquet is damaged .*: evaluate the model again"):
        export(chain / "model", dataset, evaluation, chain / "decision", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_an_export_is_published_and_promoted_if_it_met_the_latest(chain, exports, tmp_path):
    folder, waiting, latest, first = exports
    run, registry = Run(str(folder / "store"), "pets", "1"), Registry(str(folder / "store"), "pets")
    assert latest is None and "promote is manual; a person decides with graft registry promote pets" in waiting.summary
    assert first.published.promoted and first.summary.endswith("published, now the latest")
    assert registry.versions.uri(first.version) == first.published.uri
    # A step that is tried again exports the same model under other records.
    again = under_other_records(folder / "first", tmp_path / "again")
    evaluated = Evaluation.load(chain / "evaluation")
    assert publish(tmp_path / "again", evaluated, run, promote=True).promoted and registry.latest().version == again
    make_export(tmp_path / "other", 1)
    registry.promote(registry.publish(tmp_path / "other"))
    late = under_other_records(folder / "first", tmp_path / "late")
    refused = publish(tmp_path / "late", evaluated, run, promote=True)
    assert not refused.promoted and refused.uri == registry.versions.uri(late)
    summary = first.model_copy(update={"published": refused}).summary
    assert "not promoted: it was compared with no champion" in summary
    others = evaluated.comparisons.model_copy(update={"left_out": {"champion": ("birds", "cats")}})
    refused = publish(tmp_path / "late", evaluated.model_copy(update={"comparisons": others}), run, promote=True)
    decides = f"a person decides with {registry.command('promote', late[:12])}"
    assert refused.reason == f"it was not compared with the champion, which tells birds, cats apart; {decides}"
    assert len(registry.versions.finished()) == 5 and registry.verify() == []


def under_other_records(exported, folder):
    """Writes an Export again, as a later attempt would, and returns its version."""
    shutil.copytree(exported, folder)
    (folder / SUMS).unlink()
    with (folder / "MODEL_CARD.md").open("a") as card:
        card.write(f"\n{folder.name}\n")
    return write_sums(folder)


def test_a_model_that_did_not_pass_is_not_exported(chain, dataset, tmp_path):
    decision = tmp_path / "decision"
    shutil.copytree(chain / "decision", decision)
    content = record(decision, "decision.json")
    (decision / "decision.json").write_text(json.dumps({**content, "passed": False}))
    with pytest.raises(GraftError, match="did not pass the gate"):
        export(chain / "model", dataset, chain / "evaluation", decision, tmp_path / "export")
    (decision / "decision.json").write_text(json.dumps({**content, "model_digest": "another"}))
    with pytest.raises(GraftError, match="about another model"):
        export(chain / "model", dataset, chain / "evaluation", decision, tmp_path / "export")
    (decision / "decision.json").write_text(json.dumps({"schema_version": content["schema_version"]}))
    with pytest.raises(GraftError, match=r"decision\.json is damaged \(it has no passed\)"):
        export(chain / "model", dataset, chain / "evaluation", decision, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_changed_model_is_refused(chain, dataset, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(chain / "model", model)
    with (model / "model.keras").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\0\0\0")
    with pytest.raises(GraftError, match="is not the model that training.json describes"):
        evaluate(model, dataset, tmp_path / "evaluation")
    assert not (tmp_path / "evaluation").exists()


def test_a_damaged_shard_is_refused(dataset, tmp_path):
    damaged = tmp_path / "dataset"
    shutil.copytree(dataset, damaged)
    with (damaged / "train-00000.tfrecord").open("r+b") as file:
        file.seek(50_000)
        file.write(b"\0" * 100)
    with pytest.raises(GraftError, match=r"is damaged \(train-00000\.tfrecord .* remove this shard, and ingest again"):
        train(damaged, tmp_path / "model", "random", QUICK)
    assert not (tmp_path / "model").exists()


def test_a_damaged_index_is_refused(dataset, tmp_path):
    damaged = tmp_path / "dataset"
    shutil.copytree(dataset, damaged)
    (damaged / "index.parquet").write_bytes((damaged / "index.parquet").read_bytes()[:200])
    with pytest.raises(GraftError, match=r"index\.parquet is damaged .* ingest it again"):
        train(damaged, tmp_path / "model", "random", QUICK)


def test_one_image_a_class_is_too_few_to_choose_weights(tmp_path):
    draw_sample(tmp_path / "pictures", images=60)
    for name in ("cats", "dogs"):
        for path in sorted((tmp_path / "pictures" / "train" / name).iterdir())[1:]:
            path.unlink()
    ingest(str(tmp_path / "pictures"), tmp_path / "dataset")
    with pytest.raises(GraftError, match="each class needs two training images"):
        train(tmp_path / "dataset", tmp_path / "model", "random", QUICK)


def test_an_unknown_layer_is_refused_with_the_known_ones(dataset, tmp_path):
    with pytest.raises(
        GraftError, match=r"no layer 'mixed77' to cut at: the blocks are mixed0, .*mixed10.* mean mixed7"
    ):
        train(dataset, tmp_path / "model", "random", dataclasses.replace(QUICK, cut="mixed77"))


def test_what_can_t_be_trained_is_refused_in_one_sentence(dataset, tmp_path):
    for changes, said in (
        ({"head": "flatten-dense", "cut": "mixed10"}, "At 75 px the cut 'mixed10' leaves a map of 1×1"),
        ({"batch_size": 64}, "batch_size 64 is more than the 36 images to train on"),
        ({"learning_rate": 1e38}, "The loss became NaN in epoch 1, steps 1 to 3: "),
    ):
        with pytest.raises(GraftError, match=said):
            train(dataset, tmp_path / "model", "random", dataclasses.replace(QUICK, **changes))
        assert not (tmp_path / "model").exists()


def test_flatten_dense_head_and_a_wanted_accuracy(dataset, tmp_path):
    config = dataclasses.replace(QUICK, cut=FLAT, head="flatten-dense", stop_at_accuracy=0.01, dropout=0.2)
    result = train(dataset, tmp_path / "model", "random", config)
    assert (result.epochs, result.stopped) == (1, Stopped.ACCURACY_REACHED)
    head = [layer for layer in record(tmp_path / "model", "training.json")["layers"] if layer["part"] == "head"]
    assert [layer["name"] for layer in head] == ["hidden", "dropout", "probability"]
    assert head[0]["output_shape"] == [None, 1024]
    evaluate(tmp_path / "model", dataset, tmp_path / "evaluation")


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory):
    """A folder of what the steps before export made of a manifest with three classes, and what evaluate returned."""
    folder = tmp_path_factory.mktemp("three")
    draw_sample(folder / "pictures", images=60)
    lines = ["uri,label,split,camera"]
    for number, path in enumerate(sorted((folder / "pictures").rglob("*.jpg"))):
        split = "validation" if number % 3 == 0 else "training"
        lines.append(f"{path},{('ants', 'bees', 'cats')[number // 3 % 3]},{split},{'Nikon' if number % 2 else 'Canon'}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    model, dataset, evaluation, decision = (folder / name for name in INPUTS)
    ingest(str(folder / "list.csv"), dataset)
    train(dataset, model, "random", QUICK)
    result = evaluate(model, dataset, evaluation, EvaluateConfig(slices=("camera",), champion=str(model)))
    gate(evaluation, decision, GateConfig(min_accuracy=0.01))
    return folder, result


def test_three_classes_and_slices_by_columns_of_a_manifest(three_classes, exports, tmp_path):
    folder, result = three_classes
    with pytest.raises(GraftError, match="has no column 'colour' to make slices of: there are 'camera'"):
        evaluate(folder / "model", folder / "dataset", tmp_path / "no", EvaluateConfig(slices=("colour",)))
    assert result.classes == ("ants", "bees", "cats")
    found = record(folder / "evaluation", "evaluation.json")
    cameras = {entry["value"]: entry["images"] for entry in found["slices"] if entry["by"] == "camera"}
    assert cameras == {"Canon": 10, "Nikon": 10}
    assert np.shape(result.metrics.confusion) == (3, 3) and set(found["metrics"]["by_class"]) == set(result.classes)
    assert set(figures(result.metrics, result.comparisons)) >= {"auc", "average_precision", "champion_difference"}
    assert exports[1].max_difference <= 1e-5


def test_another_dataset_s_classes_are_refused(chain, tmp_path):
    dataset = tmp_path / "dataset"
    shutil.copytree(chain / "dataset", dataset)
    content = record(dataset, "dataset.json")
    (dataset / "dataset.json").write_text(json.dumps({**content, "classes": ["cars", "dogs"]}))
    with pytest.raises(GraftError, match="tells .* apart, and the dataset holds"):
        evaluate(chain / "model", dataset, tmp_path / "evaluation")
