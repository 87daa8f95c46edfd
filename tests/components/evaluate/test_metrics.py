"""The figures of an evaluation, on cases worked by hand."""

import numpy as np
import pytest

from graft.components.evaluate.metrics import compute_metrics
from graft.components.evaluate.report import render_report


def two_classes(*of_class_1):
    probabilities = np.array(of_class_1, np.float32)
    return np.stack([1 - probabilities, probabilities], axis=1)


def test_two_classes():
    metrics = compute_metrics(two_classes(0.1, 0.6, 0.4, 0.9), np.array([0, 0, 1, 1]))
    assert metrics["accuracy"] == 0.5
    assert metrics["confusion"] == [[1, 1], [1, 1]]
    assert metrics["auc"] == 0.75
    assert metrics["loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.9]).mean(), rel=1e-6)


def test_interval_is_wilson_s():
    labels = np.array([0, 1] * 500)
    right = np.arange(1000) < 940
    metrics = compute_metrics(two_classes(*np.where(right == (labels == 1), 0.9, 0.1)), labels)
    # Worked by hand: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = 0.94, n = 1,000, z = 1.96.
    assert metrics["accuracy_interval"] == pytest.approx([0.92353, 0.95310], abs=1e-5)


def test_three_classes():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.6, 0.3]], np.float32)
    metrics = compute_metrics(probabilities, np.array([0, 1, 2]))
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_report_is_one_file_that_escapes_names():
    metrics = compute_metrics(two_classes(0.1, 0.9), np.array([0, 1]))
    page = render_report(
        {
            "classes": ["<script>", "dogs"],
            "metrics": metrics,
            "images": 2,
            "split": "test",
            "selected_on_split": False,
            "model_digest": "m",
            "dataset_digest": "d",
            "config": {"cut": "mixed7"},
        }
    )
    assert "100.0% of 2 test images right" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
