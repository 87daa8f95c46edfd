"""The gate: a Decision either way, a failure that says why, and no number is no pass."""

import json

import numpy as np
import pytest

from graft.components.common.artifacts.records import write_record
from graft.components.common.errors import GateFailedError, GraftError
from graft.components.evaluate.comparison import compare
from graft.components.gate.config import GateConfig, gate_config, rules_config
from graft.components.gate.gate import gate
from graft.components.gate.rules import judge

METRICS = {
    "accuracy": 0.95,
    "accuracy_interval": [0.93, 0.97],
    "auc": 0.98,
    "ece": 0.03,
    "by_class": {"cats": {"recall": 0.97}, "dogs": {"recall": 0.93}},
}
EVALUATION = {
    "images": 1000,
    "metrics": METRICS,
    "slices": [
        {"by": "brightness", "value": "0–80", "images": 300, "accuracy": 0.91},
        {"by": "brightness", "value": "81–90", "images": 29, "accuracy": 0.5},
        {"by": "class", "value": "cats", "images": 500, "accuracy": 0.97},
    ],
    "comparisons": {"champion": {"lower": -0.019}, "anchor": {"lower": -0.012}},
}


def rule(name, evaluation=EVALUATION, **config):
    """How a rule went, and how the rule of that name reads in words."""
    found = [rule for rule in judge(evaluation, GateConfig(**config)) if rule.rule == name]
    return [(rule.value, rule.passed, rule.sentence) for rule in found]


@pytest.fixture
def evaluation(tmp_path):
    def write(metrics):
        folder = tmp_path / "evaluation"
        folder.mkdir()
        digests = {"model_digest": "m", "dataset_digest": "d", "split": "validation"}
        told = EVALUATION | {"metrics": metrics}
        (folder / "evaluation.json").write_text(json.dumps({"schema_version": 1, **told, **digests}))
        return folder

    return write


def decision(tmp_path):
    return json.loads((tmp_path / "decision" / "decision.json").read_text())


def test_passes_at_the_threshold_and_names_every_rule(tmp_path, evaluation):
    result = gate(evaluation({"accuracy": 0.9}), tmp_path / "decision", GateConfig(min_accuracy=0.9))
    assert result.passed
    assert [
        (found["rule"], found["threshold"], found["value"], found["passed"]) for found in decision(tmp_path)["rules"]
    ] == [
        ("min_accuracy", 0.9, 0.9, True),
        ("max_regression_champion", 0.02, 0.019, True),
        ("max_regression_anchor", 0.02, 0.012, True),
    ]


@pytest.mark.parametrize(
    ("metrics", "value", "said"),
    [
        ({"accuracy": 0.8999}, 0.8999, "accuracy 0.8999 is below the required 0.9"),
        ({}, None, "accuracy is missing, and at least 0.9 is required"),
        ({"accuracy": float("nan")}, None, "accuracy is missing"),
        ({"accuracy": None}, None, "accuracy is missing"),
        (None, None, "accuracy is missing"),
    ],
)
def test_fails_with_the_decision_written(tmp_path, evaluation, metrics, value, said):
    with pytest.raises(GateFailedError, match=said) as failure:
        gate(evaluation(metrics), tmp_path / "decision", GateConfig(min_accuracy=0.9))
    written = decision(tmp_path)
    assert written["passed"] is False
    assert written["rules"][0]["value"] == value
    assert failure.value.outcome.rules[0].threshold == 0.9


@pytest.mark.parametrize(
    ("name", "config", "value", "passed", "said"),
    [
        ("min_images", {"min_images": 1001}, 1000, False, "the number of images 1,000 is below the required 1,001"),
        ("min_accuracy", {"min_accuracy": 0.94}, 0.95, True, "accuracy 0.9500 meets the required 0.94"),
        ("min_accuracy", {"min_accuracy": 0.94, "confident": True}, 0.93, False, "the lower end of the accuracy's"),
        ("min_auc", {"min_auc": 0.99}, 0.98, False, "AUC 0.9800 is below the required 0.99"),
        ("min_auc", {"min_auc": 0.98}, 0.98, True, "AUC 0.9800 meets the required 0.98"),
        ("max_ece", {"max_ece": 0.02}, 0.03, False, "expected calibration error 0.0300 is above the allowed 0.02"),
        ("max_ece", {"max_ece": 0.03}, 0.03, True, "expected calibration error 0.0300 is within the allowed 0.03"),
        (
            "min_class_recall",
            {"min_class_recall": 0.95},
            0.93,
            False,
            "recall of 'dogs' 0.9300 is below the required 0.95",
        ),
        ("min_class_recall", {"min_class_recall": 0.9}, 0.93, True, "recall of 'dogs' 0.9300 meets the required 0.9"),
        ("min_slice_accuracy", {"min_slice_accuracy": 0.92}, 0.91, False, "accuracy where brightness is '0–80'"),
        ("min_slice_accuracy", {"min_slice_accuracy": 0.4, "min_slice_images": 20}, 0.5, True, "is '81–90'"),
        (
            "min_slice_accuracy",
            {"min_slice_accuracy": 0.4, "min_slice_images": 501},
            None,
            False,
            "of at least 501 images is missing",
        ),
    ],
)
def test_rules(name, config, value, passed, said):
    ((found, outcome, sentence),) = rule(name, **config)
    assert (found, outcome) == (value, passed)
    assert said in sentence


def test_rules_that_are_off_are_not_named():
    named = [found.rule for found in judge(EVALUATION, GateConfig())]
    assert named == ["min_accuracy", "max_regression_champion", "max_regression_anchor"]
    assert [found.rule for found in judge(EVALUATION, GateConfig(max_regression=None))] == ["min_accuracy"]


def test_regression_is_judged_against_champion_and_anchor():
    (champion,) = rule("max_regression_champion", max_regression=0.015)
    assert champion == (0.019, False, "it may be 1.9 points worse than the champion (95% confidence; allowed 1.5)")
    (anchor,) = rule("max_regression_anchor", max_regression=0.015)
    assert anchor == (0.012, True, "at most 1.2 points worse than the anchor (95% confidence; allowed 1.5)")


@pytest.mark.parametrize(
    ("lower", "margin", "said"),
    [
        (0.004, 0.02, "at least 0.4 points better than the champion (95% confidence)"),
        (0.0, 0.02, "at most 0.0 points worse than the champion (95% confidence; allowed 2.0)"),
        (-0.0009, 0.0115, "at most 0.1 points worse than the champion (95% confidence; allowed 1.15)"),
        (-0.0196, 0.02, "at most 1.96 points worse than the champion (95% confidence; allowed 2.0)"),
        (-0.02, 0.02, "at most 2.0 points worse than the champion (95% confidence; allowed 2.0)"),
        (-0.02004, 0.02, "it may be 2.004 points worse than the champion (95% confidence; allowed 2.0)"),
    ],
)
def test_regression_in_points(lower, margin, said):
    told = EVALUATION | {"comparisons": {"champion": {"lower": lower}, "anchor": None}}
    assert rule("max_regression_champion", told, max_regression=margin) == [(-lower, lower >= -margin, said)]


@pytest.mark.parametrize(("margin", "least"), [(0.02, 115), (0.05, 45)])
def test_a_comparison_of_too_few_images_says_so(margin, least):
    for images in (least - 1, least):
        alike = compare(np.ones(images, bool), np.ones(images, bool))
        told = EVALUATION | {"comparisons": {"champion": alike, "anchor": None}}
        ((_, passed, sentence),) = rule("max_regression_champion", told, max_regression=margin)
        assert passed == (images == least)
        few = f"({images} images were compared and at least {least} are needed: add images to the evaluated split)"
        assert sentence.endswith(few) != passed
    ((_, passed, _),) = rule("max_regression_champion", told, max_regression=0)
    assert not passed


def test_that_there_is_no_champion_must_have_been_written_down():
    none = EVALUATION | {"comparisons": {"champion": None, "anchor": {"lower": 0.0}}}
    assert rule("max_regression_champion", none) == [(None, True, "no champion yet")]
    for comparisons in (
        {"anchor": None},
        {"champion": {}, "anchor": None},
        {"champion": {"lower": float("nan")}},
        None,
    ):
        ((value, passed, sentence),) = rule("max_regression_champion", EVALUATION | {"comparisons": comparisons})
        assert (value, passed) == (None, False) and sentence == "the comparison with the champion is missing"


def test_a_model_is_not_judged_on_what_it_was_trained_on():
    assert rule("unseen_images") == []
    ((_, passed, sentence),) = rule("unseen_images", EVALUATION | {"split": "train"})
    assert not passed and sentence == "the model was trained on the evaluated images"


def test_slices_of_one_name_are_all_judged():
    slices = [{"by": "camera", "value": "x", "images": 50, "accuracy": share} for share in (0.2, 1.0)]
    ((value, passed, _),) = rule("min_slice_accuracy", EVALUATION | {"slices": slices}, min_slice_accuracy=0.7)
    assert (value, passed) == (0.2, False)


def test_a_value_next_to_its_threshold_is_shown_with_all_digits():
    ((_, _, sentence),) = rule("min_accuracy", EVALUATION | {"metrics": METRICS | {"accuracy": 0.89996}})
    assert sentence == "accuracy 0.89996 is below the required 0.9"


@pytest.mark.parametrize(
    ("name", "config", "broken"),
    [
        ("min_images", {"min_images": 1}, {"images": None}),
        ("min_accuracy", {"confident": True}, {"metrics": METRICS | {"accuracy_interval": None}}),
        ("min_auc", {"min_auc": 0.1}, {"metrics": METRICS | {"auc": None}}),
        ("min_auc", {"min_auc": 0.1}, {"metrics": METRICS | {"auc": True}}),
        ("max_ece", {"max_ece": 1.0}, {"metrics": METRICS | {"ece": float("nan")}}),
        ("min_class_recall", {"min_class_recall": 0.0}, {"metrics": METRICS | {"by_class": {}}}),
        (
            "min_class_recall",
            {"min_class_recall": 0.0},
            {"metrics": METRICS | {"by_class": {"cats": {"recall": 1.0}, "dogs": {"recall": None}}}},
        ),
        ("min_slice_accuracy", {"min_slice_accuracy": 0.0}, {"slices": None}),
    ],
)
def test_a_figure_that_is_missing_fails_its_rule(name, config, broken):
    ((value, passed, sentence),) = rule(name, EVALUATION | broken, **config)
    assert (value, passed) == (None, False) and "is missing, and at" in sentence


def test_settings_come_from_defaults_file_and_options(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("min_accuracy: 0.8\nmin_auc: 0.95\nmax_regression: null\n")
    config = rules_config(str(rules), {"min_accuracy": 0.85})
    assert (config.min_accuracy, config.min_auc, config.max_regression) == (0.85, 0.95, None)
    assert rules_config("", {}) == GateConfig()
    assert gate_config('{"gate": {"confident": true, "min_accuracy": 0.7}}', 0.8) == GateConfig(0.8, confident=True)
    rules.write_text("min_acuracy: 0.8\n")
    with pytest.raises(GraftError, match="gate has no setting 'min_acuracy': there are min_accuracy, confident"):
        rules_config(str(rules), {})
    for text, said in (
        ("max_ece: 2", "gate: max_ece can't be 2"),
        ("max_ece: yes", "gate: max_ece can't be True: it is a number; null switches a rule off"),
        ("max_regression: false", "gate: max_regression can't be False"),
        ("max_regression: 1", "gate: max_regression can't be 1"),
        ("min_images: true", "gate: min_images can't be True"),
        ("min_accuracy: 2024-99-99", "rules.yaml is not YAML"),
    ):
        rules.write_text(f"{text}\n")
        with pytest.raises(GraftError, match=said):
            rules_config(str(rules), {})


def test_an_unfinished_evaluation_leaves_no_decision(tmp_path):
    (tmp_path / "evaluation").mkdir()
    with pytest.raises(GraftError, match=r"holds no evaluation\.json"):
        gate(tmp_path / "evaluation", tmp_path / "decision")
    assert not (tmp_path / "decision").exists()


def test_a_record_of_another_schema_is_refused(tmp_path, evaluation):
    folder = evaluation({"accuracy": 1.0})
    write_record(folder / "evaluation.json", {"schema_version": 99})
    with pytest.raises(GraftError, match="schema version 99"):
        gate(folder, tmp_path / "decision")


def test_an_evaluation_that_names_no_model_is_refused(tmp_path, evaluation):
    folder = evaluation(METRICS)
    (folder / "evaluation.json").write_text(json.dumps({"schema_version": 1, **EVALUATION}))
    with pytest.raises(GraftError, match=r"evaluation\.json is damaged \(it has no model_digest\): evaluate again"):
        gate(folder, tmp_path / "decision")
