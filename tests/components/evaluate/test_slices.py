"""Accuracy on parts of the images."""

import numpy as np
import pytest

from graft.components.evaluate.slices import MAX_VALUES, NOTHING, OTHERS, make_slices


def index(images=12, **changes):
    return {
        "path": [f"validation/{'cats' if n % 2 else 'dogs'}/{n}.jpg" for n in range(images)],
        "label": ["cats" if n % 2 else "dogs" for n in range(images)],
        "width": [100 + n for n in range(images)],
        "height": [50] * images,
        "brightness": [float(n) for n in range(images)],
    } | changes


def by(slices, name):
    return {entry.value: (entry.images, entry.accuracy) for entry in slices if entry.by == name}


def test_class_size_and_brightness():
    right = np.arange(12) >= 3
    slices = make_slices(index(), right, [])
    assert by(slices, "class") == {"cats": (6, 5 / 6), "dogs": (6, 4 / 6)}
    assert by(slices, "size") == {"100–103 px": (4, 0.25), "104–107 px": (4, 1.0), "108–111 px": (4, 1.0)}
    assert list(by(slices, "brightness")) == ["0–3 of 255", "4–7 of 255", "8–11 of 255"]
    assert by(slices, "folder") == {}, "a folder a class says no more than the class"
    assert all(entry.interval[0] <= entry.accuracy <= entry.interval[1] for entry in slices)


def test_images_of_one_size_are_one_slice():
    slices = make_slices(index(width=[150] * 12), np.ones(12, bool), [])
    assert by(slices, "size") == {"150 px": (12, 1.0)}


def test_folders_and_columns():
    folders = [f"{'day' if n < 8 else 'night'}/cats/{n}.jpg" for n in range(12)]
    camera = ["Nikon"] * 5 + ["Canon"] * 5 + ["", None]
    slices = make_slices(index(path=folders, label=["cats"] * 12, camera=camera), np.arange(12) < 8, ["camera"])
    assert by(slices, "folder") == {"day/cats": (8, 1.0), "night/cats": (4, 0.0)}
    assert by(slices, "camera") == {NOTHING: (2, 0.0), "Canon": (5, 0.6), "Nikon": (5, 1.0)}


def test_folders_that_cross_the_classes():
    folders = [f"{'day' if n < 6 else 'night'}/{n}.jpg" for n in range(12)]
    slices = make_slices(index(path=folders), np.arange(12) < 6, [])
    assert by(slices, "folder") == {"day": (6, 1.0), "night": (6, 0.0)}
    buckets = [f"gs://bucket/{n // 6}/{n}.jpg" for n in range(12)]
    assert list(by(make_slices(index(path=buckets), np.ones(12, bool), []), "folder")) == [
        "gs://bucket/0",
        "gs://bucket/1",
    ]


def test_rare_values_are_one_slice():
    count = 2 * MAX_VALUES
    values = [f"v{n:03}" for n in range(count)] + ["v000"] * 10
    slices = by(make_slices(index(count + 10, column=values), np.ones(count + 10, bool), ["column"]), "column")
    assert len(slices) == MAX_VALUES and list(slices)[-1] == OTHERS
    assert slices["v000"] == (11, 1.0)
    assert sum(images for images, _ in slices.values()) == pytest.approx(count + 10)
