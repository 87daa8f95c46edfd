"""Splits and classes come from where files stand in the source, and nowhere else."""

import pytest
from pictures import HALF, encoded, image_files, noise, record, refusal, rows, split_files, write_folder

from graft.components.common.errors import GraftError
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.layout import read_layout


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("validation", "validation"), ("val", "validation"), ("valid", "validation")),
        *(("test", "test"), ("VAL", "validation")),
    ],
)
@pytest.mark.parametrize("deeper", ["", "photographs/"])
def test_splits_of_the_source_are_kept(tmp_path, folder, split, deeper):
    files = image_files(*(f"{deeper}{part}/{name}" for part in ("train", folder) for name in ("dogs", "cats")))
    source = write_folder(tmp_path / "source", files)
    result = ingest(str(source), tmp_path / "dataset")
    assert record(tmp_path / "dataset")["classes"] == ["cats", "dogs"]
    assert result.counts == {"train": {"cats": 3, "dogs": 3}, split: {"cats": 3, "dogs": 3}}


def test_three_splits(tmp_path):
    files = image_files(*(f"{split}/{name}" for split in ("train", "val", "test") for name in "ab"), images=1)
    result = ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset")
    assert list(result.counts) == ["train", "validation", "test"]


def test_a_split_under_another_name_is_refused_and_not_passed_over(tmp_path):
    files = image_files(*(f"{part}/{name}" for part in ("train", "holdout") for name in ("dogs", "cats")))
    with pytest.raises(GraftError, match="holdout/ beside train/ has the class folder cats, but is not a split"):
        ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset")


def test_stray_files_are_passed_over(tmp_path):
    strays = {
        "README.txt": b"read me",
        "__MACOSX/photographs/train/cats/._0.jpg": b"fork",
        "photographs/.DS_Store": b"junk",
        "photographs/train/.DS_Store": b"junk",
        "photographs/train/cats/Thumbs.db": b"junk",
        "photographs/train/list.csv": b"a,b",
        "photographs/vectorize.py": b"print()",
    }
    files = {f"photographs/{path}": content for path, content in split_files().items()}
    ingest(str(write_folder(tmp_path / "source", files | strays)), tmp_path / "dataset")
    found = record(tmp_path / "dataset")
    assert found["counts"] == {split: {"cats": 3, "dogs": 3} for split in ("train", "validation")}
    assert found["excluded"] == []
    assert sorted(found["ignored"]) == ["README.txt", "photographs/train/list.csv", "photographs/vectorize.py"]


@pytest.mark.parametrize("folders", [("cats", "dogs"), ("train/cats", "train/dogs"), ("all/cats", "all/dogs")])
def test_without_splits_the_content_decides_and_new_images_move_no_old_one(tmp_path, folders):
    files = image_files(*folders, images=12)
    source = write_folder(tmp_path / "source", files)
    ingest(str(source), tmp_path / "before", HALF)
    more = {
        f"{folder}/new-{number}.jpg": encoded(noise(900 + 20 * index + number))
        for index, folder in enumerate(folders)
        for number in range(12)
    }
    ingest(str(write_folder(source, more)), tmp_path / "after", HALF)
    before = {row["sha256"]: row["split"] for row in rows(tmp_path / "before")}
    after = {row["sha256"]: row["split"] for row in rows(tmp_path / "after")}
    assert set(before.values()) == {"train", "validation"}
    assert len(before) == 24 and len(after) == 48
    assert before.items() <= after.items()


def test_a_class_called_train_is_a_class(tmp_path):
    files = image_files("train", "plane", images=12)
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", HALF)
    assert record(tmp_path / "dataset")["classes"] == ["plane", "train"]


def test_images_in_folders_of_a_class_belong_to_it(tmp_path):
    files = {path.replace("/0.", "/monday/0."): content for path, content in split_files().items()}
    result = ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset")
    assert result.counts["train"] == {"cats": 3, "dogs": 3}


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (("train/cats", "validation/cats"), "only one class, cats"),
        (("cats",), "only one class, cats"),
        (
            ("train/cats", "train/dogs", "val/cats", "val/bird"),
            "train has the classes cats, dogs, but validation has bird, cats",
        ),
        (("train/cats", "train/dogs", "test/cats"), "but test has cats"),
        (("test/cats", "test/dogs"), "test"),
        ((".",), "no class folders"),
    ],
)
def test_layouts_that_can_not_be_trained_on_are_refused(tmp_path, folders, told):
    source = write_folder(tmp_path / "source", image_files(*folders))
    assert told in refusal(source, tmp_path / "dataset")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    assert "no class folders" in refusal(tmp_path / "source", tmp_path / "dataset")


def test_of_many_classes_only_those_that_are_missing_are_named():
    paths = [f"{split}/class-{number:03}/x.jpg" for split in ("train", "val") for number in range(500)]
    with pytest.raises(GraftError, match="validation lacks class-007: every split"):
        read_layout([path for path in paths if path != "val/class-007/x.jpg"])
    with pytest.raises(GraftError, match="train lacks class-007: every split"):
        read_layout([path for path in paths if path != "train/class-007/x.jpg"])
    with pytest.raises(GraftError, match="validation lacks class-000, .*, class-009 and 489 more: every split"):
        read_layout([*paths[:500], "val/class-499/x.jpg"])
    assert len(read_layout(paths).classes) == 500


def test_a_file_called_like_the_only_folder_as_in_an_archive():
    layout = read_layout(["a", "a/cats/1.jpg", "a/dogs/1.jpg"])
    assert [item.label for item in layout.images] == ["cats", "dogs"] and layout.ignored == ["a"]
