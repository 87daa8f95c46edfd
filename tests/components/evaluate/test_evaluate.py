"""The evaluate step on real models: what it writes, what it compares with, what it refuses."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import export_of
from kfp import dsl
from PIL import Image
from run_records import EVALUATED
from support import QUICK

from graft.components.common import storage
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.model import Model
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.evaluate import baselines
from graft.components.evaluate.component import evaluate as component
from graft.components.evaluate.config import EvaluateConfig
from graft.components.evaluate.evaluate import evaluate
from graft.components.evaluate.predictions.kept_predictions import KeptPredictions
from graft.components.evaluate.summary import markdown
from graft.components.gate.config import GateConfig
from graft.components.gate.rules import judge
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.components.train.train import train
from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.slow

EVALUATE = EvaluateConfig()


@pytest.fixture(scope="module")
def models(chain, other_model, tmp_path_factory):
    """A model and another one, which differ."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "challenger").symlink_to(chain / "model")
    (folder / "champion").symlink_to(other_model)
    return folder


def record(folder):
    return json.loads((folder / "evaluation.json").read_text())


def table(folder):
    return pq.read_table(folder / "predictions.parquet").to_pydict()


def changed(folder, name, target, **changes):
    """A copy of an artifact whose record says something else."""
    shutil.copytree(folder, target)
    (target / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))
    return target


@pytest.fixture(scope="module")
def evaluated(chain):
    """The challenger's evaluation without anything to compare with."""
    return chain / "evaluation"


def test_figures_predictions_and_report(evaluated):
    found, rows = record(evaluated), table(evaluated)
    right = np.array(rows["label"]) == np.array(rows["predicted"])
    assert found["images"] == len(right) == 20 and found["split"] == "validation"
    assert found["metrics"]["accuracy"] == right.mean()
    assert found["comparisons"] == {"champion": None, "anchor": None} and "champion" not in rows
    assert found["selected_on_split"] is False
    assert {entry["by"] for entry in found["slices"]} == {"class", "size", "brightness"}
    scores = np.stack([rows["probability_cats"], rows["probability_dogs"]], axis=1)
    assert [("cats", "dogs")[number] for number in scores.argmax(axis=1)] == rows["predicted"]
    assert f"{right.mean():.1%}" in (evaluated / "report.html").read_text()


def test_champion_and_anchor_run_on_the_same_images(models, dataset, tmp_path, evaluated):
    both = EvaluateConfig(champion=str(models / "challenger"), anchor=str(models / "champion"))
    result = evaluate(models / "champion", dataset, tmp_path / "evaluation", both)
    found, rows = record(tmp_path / "evaluation"), table(tmp_path / "evaluation")
    assert found["metrics"]["accuracy"] == result.metrics.accuracy
    assert rows["champion"] == table(evaluated)["predicted"]
    new, old = (np.array(rows[name]) == np.array(rows["label"]) for name in ("predicted", "champion"))
    champion, anchor = (found["comparisons"][role] for role in ("champion", "anchor"))
    assert champion["difference"] == pytest.approx(new.mean() - old.mean())
    assert champion["gained"] == (new & ~old).sum() and champion["lost"] == (old & ~new).sum()
    assert champion["model_digest"] == record(evaluated)["model_digest"] != found["model_digest"]
    assert (anchor["difference"], anchor["gained"], anchor["model_digest"]) == (0, 0, found["model_digest"])


def test_the_same_model_is_not_run_twice(models, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(KeptPredictions, "of", lambda *_: pytest.fail("ran the model again"))
    same = EvaluateConfig(champion=str(models / "challenger"), anchor=str(models / "challenger"))
    evaluate(models / "challenger", dataset, tmp_path / "evaluation", same)
    assert record(tmp_path / "evaluation")["comparisons"]["champion"]["difference"] == 0


def test_a_champion_that_is_an_export_in_a_bucket_without_an_index(models, dataset, tmp_path, bucket):
    export_of(models / "champion", tmp_path / "export")
    for path in ("model.keras", "lineage/training.json", "lineage/evaluation.json"):
        storage.put(tmp_path / "export" / path, f"{bucket}/cats/{path}")
    unfinished = EvaluateConfig(champion=f"{bucket}/cats")
    with pytest.raises(
        GraftError, match="cats is no finished Model or Export: no training.json or SHA256SUMS can be read"
    ):
        evaluate(models / "challenger", dataset, tmp_path / "no", unfinished)
    storage.put(tmp_path / "export" / "SHA256SUMS", f"{bucket}/cats/SHA256SUMS")
    result = evaluate(
        models / "challenger", dataset, tmp_path / "evaluation", EvaluateConfig(champion=f"{bucket}/cats/")
    )
    champion, rows = result.comparisons.champion, table(tmp_path / "evaluation")
    was = np.array(rows["champion"]) == np.array(rows["label"])
    now = np.array(rows["predicted"]) == np.array(rows["label"])
    assert (champion.uri, champion.model_digest) == (f"{bucket}/cats/", Model.load(models / "champion").model_digest)
    assert (champion.accuracy, champion.difference) == pytest.approx((was.mean(), now.mean() - was.mean()))
    assert result.summary.endswith(champion.versus("champion"))
    assert "has no index of the images" in record(tmp_path / "evaluation")["drift"]["reason"]


@pytest.fixture
def registry(models, tmp_path):
    """A registry whose latest version is the champion and whose best one is the challenger, once promoted."""
    registry = Registry(str(tmp_path / "store"), "pets")
    for role, accuracy in (("challenger", 0.9), ("champion", 0.8)):
        export_of(models / role, tmp_path / f"export-{role}", accuracy)
        registry.promote(registry.publish(tmp_path / f"export-{role}"))
    return registry


def digests(model, dataset, output, run, config=EVALUATE):
    evaluate(model, dataset, output, config, run)
    met = record(output)["comparisons"]
    return [met[role] and met[role]["model_digest"] for role in ("champion", "anchor")]


def test_the_registry_s_latest_is_the_champion_and_its_best_the_anchor(
    models, dataset, tmp_path, registry, monkeypatch
):
    run = Run(str(tmp_path / "store"), "pets", "1")
    champion, challenger = (Model.load(models / role).model_digest for role in ("champion", "challenger"))
    assert digests(models / "challenger", dataset, tmp_path / "1", run) == [champion, challenger]
    assert record(tmp_path / "1")["settings"]["champion"] == registry.versions.uri(registry.latest().version)
    registry.rollback("sees cats everywhere")
    opened, open_model = [], baselines.open_model
    monkeypatch.setattr(baselines, "open_model", lambda uri, **rest: opened.append(uri) or open_model(uri, **rest))
    assert digests(models / "challenger", dataset, tmp_path / "2", run) == [challenger, challenger]
    assert len(opened) == 1, "champion and anchor are one version"
    none = EvaluateConfig(champion="none", anchor=str(models / "champion"))
    assert digests(models / "challenger", dataset, tmp_path / "3", run, none) == [None, champion]


def seen(dataset, count, **changes):
    """The index of a dataset of which a model was trained on so many of today's validation images as well."""
    rows = pq.read_table(dataset / "index.parquet").to_pylist()
    for row in [row for row in rows if row["split"] == "validation"][:count]:
        row |= {"split": "train", **changes}
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize("changes", [{}, {"sha256": "0" * 64}], ids=["the same", "twins"])
def test_images_that_the_champion_was_trained_on_don_t_count(models, dataset, tmp_path, changes):
    export_of(models / "champion", tmp_path / "export", index=seen(dataset, 5, **changes))
    config = EvaluateConfig(champion=str(tmp_path / "export"))
    evaluate(models / "challenger", dataset, tmp_path / "evaluation", config)
    compared, rows = record(tmp_path / "evaluation")["comparisons"]["champion"], table(tmp_path / "evaluation")
    assert rows["champion"][:5] == [None] * 5
    right = [label == champion for label, champion in zip(rows["label"], rows["champion"], strict=True)]
    assert compared["left_out"] == 5
    assert compared["accuracy"] == pytest.approx(np.mean(right[5:]))
    lost = [was and label != now for was, label, now in zip(right, rows["label"], rows["predicted"], strict=True)]
    assert sum(lost) == compared["lost"], "what the report shows as lost is what the gate counts"
    assert sum(compared[name] for name in ("gained", "lost", "both_right", "both_wrong")) == 15


def test_a_champion_that_was_trained_on_all_of_them_can_t_be_compared_with(models, dataset, tmp_path):
    export_of(models / "champion", tmp_path / "export", index=seen(dataset, 20))
    config = EvaluateConfig(champion=str(tmp_path / "export"))
    with pytest.raises(
        GraftError, match="The champion .* was trained on every validation image of .*: ingest with splits that stay"
    ):
        evaluate(models / "challenger", dataset, tmp_path / "evaluation", config)
    assert not (tmp_path / "evaluation").exists()


def test_new_images_are_compared_with_those_of_the_champion(models, dataset, tmp_path):
    rows = pq.read_table(dataset / "index.parquet").to_pylist()
    old = [row | {"brightness": row["brightness"] / 10} for row in rows[::2]]
    assert len(old) >= 30
    export_of(models / "champion", tmp_path / "export", index=pa.Table.from_pylist(old))
    config = EvaluateConfig(champion=str(tmp_path / "export"))
    result = evaluate(models / "challenger", dataset, tmp_path / "evaluation", config)
    drift = record(tmp_path / "evaluation")["drift"]
    assert (drift["old"], drift["new"], drift["flagged"]) == (30, 30, ["brightness"])
    assert result.drift == ("brightness",) and result.summary.endswith("; new images differ in brightness")
    report = (tmp_path / "evaluation" / "report.html").read_text()
    assert "30 images are new since the champion was made from 30 images" in report
    assert "Most unlike in brightness" in report
    assert "Features are not compared: fewer than 30 of the evaluated images are new." in report


def test_without_a_champion_it_says_why_nothing_is_compared(evaluated):
    assert "there is no champion" in record(evaluated)["drift"]["reason"]


def test_a_latest_version_of_other_classes_is_no_champion(models, dataset, tmp_path, registry, caplog):
    other = changed(models / "champion", "training.json", tmp_path / "other", classes=["birds", "cats"])
    export_of(other, tmp_path / "export-other", 0.99)
    registry.promote(registry.publish(tmp_path / "export-other"))
    run = Run(str(tmp_path / "store"), "pets", "1")
    assert digests(models / "challenger", dataset, tmp_path / "1", run) == [None, None]
    assert "tells birds, cats apart, and the dataset holds cats, dogs" in caplog.text
    found, report = record(tmp_path / "1"), (tmp_path / "1" / "report.html").read_text()
    assert found["comparisons"]["left_out"] == {role: ["birds", "cats"] for role in ("champion", "anchor")}
    assert found["drift"]["reason"] == "it tells other classes apart"
    assert report.count("It is not compared with the champion, which tells birds, cats apart.") == 2


def test_a_latest_version_that_was_changed_is_refused(models, dataset, tmp_path, registry):
    file = Path(registry.versions.uri(registry.latest().version)) / "model.keras"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(GraftError, match="model.keras has the SHA-256"):
        evaluate(models / "challenger", dataset, tmp_path / "1", EVALUATE, Run(str(tmp_path / "store"), "pets", "1"))


def test_a_champion_that_can_t_be_compared_with(models, dataset, tmp_path):
    def refused(champion):
        with pytest.raises(GraftError) as refusal:
            evaluate(models / "challenger", dataset, tmp_path / "no", EvaluateConfig(champion=str(champion)))
        assert not (tmp_path / "no").exists()
        return str(refusal.value)

    assert f"{dataset} is no finished Model or Export: no training.json or SHA256SUMS can be read there." in refused(
        dataset
    )
    other = changed(models / "champion", "training.json", tmp_path / "other", classes=["cats", "birds"])
    assert "tells cats, birds apart, and the dataset holds cats, dogs: name a model" in refused(other)
    strange = changed(models / "champion", "training.json", tmp_path / "strange", model_digest=None, classes=None)
    assert f"The training.json of {strange} is damaged or another Graft's" in refused(strange)
    assert "is named with a query string" in refused("https://127.0.0.1:9/model?sig=secret")
    damaged = changed(models / "champion", "training.json", tmp_path / "damaged", model_digest="0" * 64)
    assert "model.keras has the SHA-256" in refused(damaged)


def test_a_champion_with_its_classes_in_another_order(models, dataset, tmp_path, evaluated):
    other = changed(models / "challenger", "training.json", tmp_path / "other", classes=["dogs", "cats"])
    both = EvaluateConfig(champion=str(other))
    evaluate(models / "champion", dataset, tmp_path / "evaluation", both)
    swapped = [{"cats": "dogs", "dogs": "cats"}[name] for name in table(evaluated)["predicted"]]
    assert table(tmp_path / "evaluation")["champion"] == swapped


def test_a_model_whose_answers_are_no_numbers(models, dataset, tmp_path, monkeypatch):
    from graft.components.common.compute import predictions

    monkeypatch.setattr(predictions, "by_class", lambda found: np.full((len(found), 2), np.nan, np.float32))
    with pytest.raises(GraftError, match="gives no finite probability for 20 of 20 images: train it again"):
        evaluate(models / "challenger", dataset, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_splits_by_name(models, dataset, tmp_path):
    evaluate(models / "challenger", dataset, tmp_path / "train", EvaluateConfig(split="train"))
    assert (record(tmp_path / "train")["images"], record(tmp_path / "train")["selected_on_split"]) == (40, True)
    with pytest.raises(GraftError, match="has no split 'test': evaluate on train or validation, or ingest with it"):
        evaluate(models / "challenger", dataset, tmp_path / "no", EvaluateConfig(split="test"))


def test_the_artifacts_of_the_component_say_the_same_and_an_empty_registry_has_no_champion(models, dataset, tmp_path):
    def artifact(kind, name):
        return kind(name=name, uri=str(tmp_path / name))

    given = {"model": dsl.Model(uri=str(models / "challenger")), "dataset": dsl.Dataset(uri=str(dataset))}
    kinds = {"evaluation": dsl.Artifact, "metrics": dsl.Metrics, "curves": dsl.ClassificationMetrics}
    kinds |= {"summary": dsl.Markdown, "report": dsl.HTML}
    made = {name: artifact(kind, name) for name, kind in kinds.items()}
    component.python_func(**given, config="", store=str(tmp_path / "store"), name="pets", run_id="one", **made)
    assert record(tmp_path / "evaluation")["comparisons"] == {"champion": None, "anchor": None}
    found = record(tmp_path / "evaluation")["metrics"]
    assert made["metrics"].metadata == {
        **{name: found[name] for name in ("accuracy", "loss", "auc", "average_precision", "ece")},
        "accuracy_low": found["accuracy_interval"][0],
        "accuracy_high": found["accuracy_interval"][1],
    }
    curves = made["curves"].metadata
    assert [row["row"] for row in curves["confusionMatrix"]["rows"]] == found["confusion"]
    roc = found["roc"]["dogs"]
    assert [point["recall"] for point in curves["confidenceMetrics"]] == roc["true_positive_rate"]
    assert [point["confidenceThreshold"] for point in curves["confidenceMetrics"]] == roc["thresholds"]
    page = (tmp_path / "evaluation" / "report.html").read_text()
    assert (tmp_path / "report").read_text() == page
    assert f"**{found['accuracy']:.1%} of 20 validation images right**" in (tmp_path / "summary").read_text()


def test_of_many_classes_markdown_shows_the_worst():
    cats = EVALUATED.metrics.by_class["cats"]
    recalls = {f"class {number}": None if number == 7 else number / 60 for number in range(52)}
    changes = {"by_class": {name: cats.model_copy(update={"recall": recall}) for name, recall in recalls.items()}}
    text = markdown(EVALUATED.model_copy(update={"metrics": EVALUATED.metrics.model_copy(update=changes)}))
    shown = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| class ")][1:]
    assert shown == [f"class {number}" for number in range(51) if number != 7]
    assert "The 50 classes with the lowest recall are shown: the report has all 52." in text


def test_markdown_shows_names_as_they_are():
    result = EVALUATED
    name = "<script>| *cats*\n"
    changes = {"by_class": {name: result.metrics.by_class["cats"]}, "auc": None}
    text = markdown(result.model_copy(update={"metrics": result.metrics.model_copy(update=changes)}))
    assert rf"| \<script\>\| \*cats\* | {result.metrics.by_class['cats'].images} |" in text and "AUC –" in text


def test_images_whose_twins_trained_the_model_are_counted_and_told(tmp_path):
    """Of a burst, when ingest was told to keep what leaks."""
    pictures = tmp_path / "pictures"
    draw_sample(pictures, images=60)
    for number, path in enumerate(sorted((pictures / "train" / "cats").iterdir())[:3]):
        Image.open(path).save(pictures / "validation" / "cats" / f"again-{number}.jpg", quality=70)
    for leaks, known in (("keep", 3), ("drop", 0)):
        folder = tmp_path / leaks
        ingest(str(pictures), folder / "dataset", IngestConfig(leaks=leaks))
        train(folder / "dataset", folder / "model", "random", dataclasses.replace(QUICK, epochs=1))
        evaluate(folder / "model", folder / "dataset", folder / "evaluation", EVALUATE)
        found = Evaluation.load(folder / "evaluation")
        assert found.trained_twins == known and ("trained_twins" in record(folder / "evaluation")) == bool(known)
        told = f"{known} of the {found.images} validation images show pictures that trained the model, as copies"
        assert (told in (folder / "evaluation" / "report.html").read_text()) == bool(known)
        (accuracy, *_) = judge(found, GateConfig())
        assert accuracy.sentence.endswith(
            f"(3 of the {found.images} images show pictures that trained the model)"
        ) == bool(known)
