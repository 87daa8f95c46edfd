"""The gate: a Decision either way, a failure that says why, and no number is no pass."""

import copy
import functools
import json

import numpy as np
import pytest
from evaluations import ANSWERED, EVALUATION, METRICS, comparison, evaluated, slice_of

from graft.components.common.errors import GateFailedError, GraftError
from graft.components.evaluate.comparison import compare
from graft.components.gate.config import GateConfig, gate_config, rules_config
from graft.components.gate.gate import gate
from graft.components.gate.rules import judge

CLASSES = METRICS["by_class"]
UNKNOWN = dict.fromkeys(CLASSES["dogs"]) | {"images": 0}


def rule(name, evaluation=None, **config):
    """How a rule went, and how the rule of that name reads in words."""
    found = [rule for rule in judge(evaluation or evaluated(), GateConfig(**config)) if rule.rule == name]
    return [(rule.value, rule.passed, rule.sentence) for rule in found]


@pytest.fixture
def written(tmp_path):
    def write(**changes):
        folder = tmp_path / "evaluation"
        folder.mkdir(exist_ok=True)
        (folder / "evaluation.json").write_text(json.dumps(EVALUATION | changes))
        return folder

    return write


def decision(tmp_path):
    return json.loads((tmp_path / "decision" / "decision.json").read_text())


def test_passes_at_the_threshold_and_names_every_rule(tmp_path, written):
    result = gate(written(metrics=METRICS | {"accuracy": 0.9}), tmp_path / "decision", GateConfig(min_accuracy=0.9))
    assert result.passed
    assert [
        (found["rule"], found["threshold"], found["value"], found["passed"]) for found in decision(tmp_path)["rules"]
    ] == [
        ("min_accuracy", 0.9, 0.9, True),
        ("max_regression_champion", 0.02, 0.019, True),
        ("max_regression_anchor", 0.02, 0.012, True),
    ]


@pytest.mark.parametrize(
    ("changes", "config", "value", "said"),
    [
        ({"accuracy": 0.8999}, {"min_accuracy": 0.9}, 0.8999, "accuracy 0.8999 is below the required 0.9"),
        ({"auc": None}, {"min_auc": 0.9}, None, "AUC is missing, and at least 0.9 is required"),
    ],
)
def test_fails_with_the_decision_written(tmp_path, written, changes, config, value, said):
    with pytest.raises(GateFailedError, match=said) as failure:
        gate(written(metrics=METRICS | changes), tmp_path / "decision", GateConfig(**config))
    made = decision(tmp_path)
    assert made["passed"] is False
    ((found, threshold),) = [(each["value"], each["threshold"]) for each in made["rules"] if not each["passed"]]
    assert (found, threshold) == (value, 0.9)
    assert failure.value.outcome.rules[-3].threshold == 0.9


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


@pytest.mark.parametrize(
    ("name", "threshold", "value", "passed", "said"),
    [
        ("min_coverage", 0.8, 0.8, True, "the share of answered images 0.8000 meets the required 0.8"),
        ("min_coverage", 0.81, 0.8, False, "the share of answered images 0.8000 is below the required 0.81"),
        ("max_selective_risk", 0.02, 0.02, True, "the share of wrong answers 0.0200 is within the allowed 0.02"),
        ("max_selective_risk", 0.01, 0.02, False, "the share of wrong answers 0.0200 is above the allowed 0.01"),
    ],
)
def test_rules_about_what_is_answered(name, threshold, value, passed, said):
    assert rule(name, evaluated(answered=ANSWERED), **{name: threshold}) == [(value, passed, said)]
    ((found, outcome, sentence),) = rule(name, **{name: threshold})
    assert (found, outcome) == (None, False)
    assert "the model has no abstain_below: train it with wanted_accuracy, or switch the rule off" in sentence


def test_a_model_that_answers_nothing_has_no_risk_that_passes():
    none = ANSWERED | {"images": 0, "coverage": 0.0, "wrong": 0, "risk": None, "risk_upper": 1.0}
    said = "the share of wrong answers is missing, and at most 1.0 is allowed"
    assert rule("max_selective_risk", evaluated(answered=none), max_selective_risk=1.0) == [(None, False, said)]


def test_rules_that_are_off_are_not_named():
    named = [found.rule for found in judge(evaluated(), GateConfig())]
    assert named == ["min_accuracy", "max_regression_champion", "max_regression_anchor"]
    assert [found.rule for found in judge(evaluated(), GateConfig(max_regression=None))] == ["min_accuracy"]


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
    found = evaluated(comparisons={"champion": comparison(lower), "anchor": None})
    assert rule("max_regression_champion", found, max_regression=margin) == [(-lower, lower >= -margin, said)]


@pytest.mark.parametrize(("margin", "least"), [(0.02, 115), (0.05, 45)])
def test_a_comparison_of_too_few_images_says_so(margin, least):
    for images in (least - 1, least):
        alike = compare(np.ones(images, bool), np.ones(images, bool), "models/pets", "c" * 64)
        found = evaluated(comparisons={"champion": alike, "anchor": None})
        ((_, passed, sentence),) = rule("max_regression_champion", found, max_regression=margin)
        assert passed == (images == least)
        few = f"({images} images were compared and at least {least} are needed: add images to the evaluated split)"
        assert sentence.endswith(few) != passed
    ((_, passed, _),) = rule("max_regression_champion", found, max_regression=0)
    assert not passed


def test_without_a_champion_nothing_is_compared():
    none = evaluated(comparisons={"champion": None, "anchor": comparison(0.0)})
    assert rule("max_regression_champion", none) == [(None, True, "no champion yet")]
    others = evaluated(comparisons={"champion": None, "anchor": None, "left_out": {"champion": ("a", "b", "c")}})
    said = "not compared with the champion, which tells a, b, c apart"
    assert rule("max_regression_champion", others) == [(None, True, said)]
    assert rule("max_regression_anchor", others) == [(None, True, "no anchor yet")]
    many = evaluated(comparisons={"champion": None, "anchor": None, "left_out": {"champion": ("a",) * 1000}})
    assert rule("max_regression_champion", many)[0][2].endswith("a, 990 more apart")


def test_a_model_is_not_judged_on_what_it_was_trained_on():
    assert rule("unseen_images") == []
    ((_, passed, sentence),) = rule("unseen_images", evaluated(split="train"))
    assert not passed and sentence == "the model was trained on the evaluated images"


def test_slices_of_one_name_are_all_judged():
    slices = [slice_of("camera", "x", 50, share) for share in (0.2, 1.0)]
    ((value, passed, _),) = rule("min_slice_accuracy", evaluated(slices=slices), min_slice_accuracy=0.7)
    assert (value, passed) == (0.2, False)


def test_a_value_next_to_its_threshold_is_shown_with_all_digits():
    ((_, _, sentence),) = rule("min_accuracy", evaluated(metrics=METRICS | {"accuracy": 0.89996}))
    assert sentence == "accuracy 0.89996 is below the required 0.9"


@pytest.mark.parametrize(
    ("name", "config", "changes"),
    [
        ("min_auc", {"min_auc": 0.1}, {"metrics": METRICS | {"auc": None}}),
        ("min_class_recall", {"min_class_recall": 0.0}, {"metrics": METRICS | {"by_class": {}}}),
        (
            "min_class_recall",
            {"min_class_recall": 0.0},
            {"metrics": METRICS | {"by_class": {**CLASSES, "dogs": UNKNOWN}}},
        ),
        ("min_slice_accuracy", {"min_slice_accuracy": 0.0}, {"slices": []}),
    ],
)
def test_a_figure_that_is_missing_fails_its_rule(name, config, changes):
    ((value, passed, sentence),) = rule(name, evaluated(**changes), **config)
    assert (value, passed) == (None, False) and "is missing, and at" in sentence


@pytest.mark.parametrize(
    ("field", "damage"),
    [
        ("metrics", None),
        ("metrics", {}),
        ("metrics.accuracy", None),
        ("metrics.accuracy", float("nan")),
        ("metrics.accuracy", "0.99"),
        ("metrics.accuracy", True),
        ("metrics.accuracy_interval", None),
        ("metrics.auc", True),
        ("metrics.ece", float("nan")),
        ("metrics.by_class.dogs.recall", float("inf")),
        ("images", None),
        ("slices", None),
        ("split", None),
        ("comparisons", None),
        ("comparisons", {"anchor": None}),
        ("comparisons.champion", {}),
        ("comparisons.champion.lower", float("nan")),
        ("model_digest", None),
        ("dataset_digest", None),
    ],
)
def test_a_damaged_evaluation_is_refused_and_leaves_no_decision(tmp_path, written, field, damage):
    changed = copy.deepcopy(EVALUATION)
    *path, last = field.split(".")
    functools.reduce(dict.__getitem__, path, changed)[last] = damage
    everything = GateConfig(
        min_accuracy=1e-9, confident=True, min_auc=0.0, max_ece=1.0, min_class_recall=0.0, max_regression=0.4
    )
    with pytest.raises(GraftError, match=rf"evaluation\.json is damaged \(.*\b{last}\b.*\): evaluate again"):
        gate(written(**changed), tmp_path / "decision", everything)
    assert not (tmp_path / "decision").exists()


def test_settings_come_from_defaults_file_and_options(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("min_accuracy: 0.8\nmin_auc: 0.95\nmax_regression: null\n")
    config = rules_config(str(rules), {"min_accuracy": 0.85})
    assert (config.min_accuracy, config.min_auc, config.max_regression) == (0.85, 0.95, None)
    assert rules_config("", {}) == GateConfig()
    assert gate_config('{"gate": {"confident": true, "min_accuracy": 0.7}}', 0.8) == GateConfig(0.8, confident=True)
    rules.write_text("min_acuracy: 0.8\n")
    with pytest.raises(
        GraftError, match="rules.yaml: gate has no setting 'min_acuracy': there are min_accuracy, confident"
    ):
        rules_config(str(rules), {})
    for text, said in (
        ("max_ece: 2", "gate: max_ece can't be 2"),
        ("max_ece: true", "gate: max_ece can't be True: it is a number; null switches a rule off"),
        ("max_ece: yes", "gate: max_ece can't be 'yes': it is a number; null switches a rule off"),
        ("max_regression: false", "gate: max_regression can't be False"),
        ("max_regression: 1", "gate: max_regression can't be 1"),
        ("min_images: true", "gate: min_images can't be True"),
        ("max_ece: OFF", "gate: max_ece can't be 'OFF': it is a number; null switches a rule off"),
        ("min_accuracy: 2024-99-99", "gate: min_accuracy can't be '2024-99-99': Input should be a valid number"),
    ):
        rules.write_text(f"{text}\n")
        with pytest.raises(GraftError, match=f"rules.yaml: {said}"):
            rules_config(str(rules), {})
    with pytest.raises(GraftError, match="^gate: min_accuracy can't be 95"):
        rules_config("", {"min_accuracy": 95})


def test_an_unfinished_evaluation_leaves_no_decision(tmp_path):
    (tmp_path / "evaluation").mkdir()
    with pytest.raises(GraftError, match=r"holds no evaluation\.json"):
        gate(tmp_path / "evaluation", tmp_path / "decision")
    assert not (tmp_path / "decision").exists()


def test_a_record_of_another_schema_is_refused(tmp_path, written):
    with pytest.raises(GraftError, match="schema version 99"):
        gate(written(schema_version=99), tmp_path / "decision")


@pytest.mark.parametrize("field", ["model_digest", "metrics", "comparisons", "split"])
def test_an_evaluation_that_lacks_a_field_is_refused(tmp_path, field):
    (tmp_path / "evaluation.json").write_text(json.dumps({key: EVALUATION[key] for key in EVALUATION if key != field}))
    with pytest.raises(GraftError, match=rf"evaluation\.json is damaged \(it has no {field}\): evaluate again"):
        gate(tmp_path, tmp_path / "decision")


def test_a_comparison_that_was_not_written_down_is_no_comparison_without_a_champion(tmp_path, written):
    with pytest.raises(GraftError, match=r"is damaged \(it has no comparisons\.champion\)"):
        gate(written(comparisons={"anchor": None}), tmp_path / "decision")
