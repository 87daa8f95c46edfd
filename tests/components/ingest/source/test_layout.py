"""Splits and classes come from where files stand in the source, and nowhere else."""

import pytest
from pictures import HALF, encoded, image_files, noise, record, refusal, rows, split_files, write_folder

from graft.components.common.errors import GraftError
from graft.components.ingest.ingest import ingest
from graft.components.ingest.source.folder_layout import read_layout


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("validation", "validation"), ("val", "validation"), ("valid", "validation")),
        *(("test", "test"), ("VAL", "validation"), ("Testing", "test"), ("dev", "validation")),
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


def paths(*folders):
    return [f"{folder}/{number}.jpg" for folder in folders for number in range(2)]


def splits(*names, classes=("cats", "dogs")):
    return paths(*(f"{name}/{label}" for name in names for label in classes))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("training", "testing"), {"train", "test"}),
        (("Brain/Training", "Brain/Testing"), {"train", "test"}),
        (("training_set", "test_set"), {"train", "test"}),
        (("train2017", "val2017"), {"train", "validation"}),
        (("TrainData", "eval images", "Test-Set"), {"train", "validation", "test"}),
        (("photos/photos/train", "photos/photos/dev"), {"train", "validation"}),
        (("x-main/data/Train", "x-main/data/test"), {"train", "test"}),
        (("train", "training"), {None}),
    ],
)
def test_splits_by_other_names(names, expected):
    layout = read_layout(splits(*names))
    assert layout.classes == ["cats", "dogs"] and layout.images.splits == expected


DOUBTFUL = {
    "splits without train": (splits("valid", "test"), "Each of the folders test, valid is named like a split", "class"),
    "splits of loose images": (
        paths("train", "test"),
        "Each of the folders test, train is named like a split",
        "class",
    ),
    "one split among classes": (
        paths("cats", "dogs", "Test"),
        "Test is named like a split, though nothing lies in train/<",
        "class",
    ),
    "words of a name": (
        paths(*(f"seg_{one}/seg_{one}/{name}" for one in ("train", "test") for name in "ab")),
        "seg_train",
        "class",
    ),
    "splits in classes": (
        splits("cats", "dogs", classes=("train", "test")),
        "The folder cats holds test, train, named like splits. If these are the splits of that class, add --layout class/split",
        "class",
    ),
    "a split in one class": ([*paths("cats", "dogs"), "cats/testing/9.jpg"], "The folder cats holds testing", "class"),
    "the source beside others": (
        [*splits("data/train", "data/val"), *paths("more")],
        "name that folder as the source",
        "class",
    ),
    "a split in a class of a split": ([*splits("train"), *paths("train/cats/val")], "move them up", "split/class"),
    "all of one make": (
        splits("colour", "grey"),
        "all hold the same folders: cats, dogs. If these are the classes",
        "class",
    ),
    "all of one make in splits": (splits("train/colour", "train/grey"), "around them as the source", "split/class"),
    "a vehicle of two kinds": (
        [*paths("train/steam", "train/diesel", "plane")],
        "The folder plane is no split",
        "class",
    ),
    "a copy in itself": (
        [*paths("x/cats", "x/dogs"), *splits("x/x")],
        "The folder x holds cats, dogs, which are classes",
        "class",
    ),
    "a class in another": (
        paths("cats", "dogs", "cats/dogs"),
        "The folder cats holds dogs, which are classes as well",
        "class",
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_mean_two_things_is_refused_and_the_option_chooses(name):
    files, told, layout = DOUBTFUL[name]
    with pytest.raises(GraftError) as refused:
        read_layout(files)
    assert told in str(refused.value) and f"add --layout {layout}." in str(refused.value)
    read = read_layout(files, layout)
    assert len(read.images) == len(files) and read.images.splits == {None}


def test_classes_that_hold_their_splits():
    layout = read_layout(splits("all/cats", "all/dogs", classes=("Train", "testing")), "class/split")
    assert sorted(layout.images.kinds) == [(one, name) for one in ("test", "train") for name in ("cats", "dogs")]
    with pytest.raises(
        GraftError, match="cats/more has images, but is no split of a class, as --layout class/split says"
    ):
        read_layout(splits("cats", "dogs", classes=("train", "more")), "class/split")
    with pytest.raises(GraftError, match="no class folders with images"):
        read_layout(paths("cats", "dogs"), "split/class")


@pytest.mark.parametrize(
    "folders",
    [
        *(("train", "plane"), ("valid", "invalid"), ("steam train", "electric train"), ("cats/images", "dogs/images")),
        *(("cats/2023", "cats/2024", "dogs/2023"), ("cats/cats", "dogs"), ("contest", "trainers")),
    ],
)
def test_classes_beyond_doubt(folders):
    assert read_layout(paths(*folders)).classes == sorted({folder.partition("/")[0] for folder in folders})


def test_names_that_look_the_same_are_one_class():
    layout = read_layout(
        [*splits("train", classes=("cafe\u0301", "the\u0301")), *splits("val", classes=("caf\u00e9 ", "th\u00e9"))]
    )
    assert layout.classes == ["caf\u00e9", "th\u00e9"] and layout.warnings == []
    layout = read_layout(paths("caf\u00e9", "cafe\u0301", "bar", "bar "))
    assert layout.classes == ["bar", "caf\u00e9"]
    assert [sentence.partition(":")[0] for sentence in layout.warnings] == [
        "The folders 'bar' and 'bar ' make one class, bar",
        "The folders 'cafe\\u0301' and 'caf\\xe9' make one class, caf\u00e9",
    ]


@pytest.mark.parametrize("other", ["Hot dog", "hot_dog", "hot  dog", "hot\u200b dog", "\uff48ot dog"])
def test_classes_that_look_the_same_are_named(other):
    (warning,) = read_layout(paths("cats", "hot dog", other)).warnings
    assert ascii(other) in warning and "is a class of its own" in warning and "cats" not in warning


def test_classes_that_look_different_are_not():
    assert read_layout(paths("-1", "1", "c", "c++", "hotdog", "hot dog")).warnings == []


def test_what_icloud_has_not_downloaded_is_no_hidden_file():
    layout = read_layout([*paths("cats", "dogs"), "cats/.9.jpg.icloud"])
    assert "cats/.9.jpg.icloud" in [image.path for image in layout.images] and layout.passed_over == {}


def test_names_that_are_no_text():
    layout = read_layout(paths("\udcc4pfel", "Birnen"))
    assert layout.classes == ["Birnen", r"\udcc4pfel"]
    assert layout.warnings[0].startswith(r"The names of the folders of the classes \udcc4pfel are no UTF-8")


def test_messages_show_what_can_not_be_seen():
    with pytest.raises(GraftError, match=r"train has the classes cats, dogs, but val.* has 'cats\\u200b', dogs"):
        read_layout([*splits("train"), *splits("val", classes=("cats\u200b", "dogs"))])


def test_what_file_systems_and_cameras_leave_is_counted_and_no_damage():
    junk = [
        *("@eaDir/cover.jpg/SYNOPHOTO_THUMB_SM.jpg", "cats/@eaDir/0.jpg/a.jpg", "cats/@eaDir/1.jpg/a.jpg"),
        *("#recycle/cats/9.jpg", "$RECYCLE.BIN/S-1-5/$R1.jpg", "lost+found/", "System Volume Information/tracking.log"),
        *("cats/THUMBS.DB", "cats/._0.jpg", "dogs/0.jpg:Zone.Identifier", "dogs/Icon\r"),
    ]
    sidecars = ["cats/0.xml", "cats/1.jpg.json", "dogs/0.AAE", "dogs/1.MOV"]
    layout = read_layout([*paths("cats", "dogs"), *junk, *sidecars, "README.txt"])
    assert len(layout.images) == 4 and layout.ignored == ["README.txt"] and layout.warnings == []
    assert layout.passed_over == {
        **{"#recycle": 1, "$RECYCLE.BIN": 1, "*.aae": 1, "*.json": 1, "*.mov": 1, "*.xml": 1, ":zone.identifier": 1},
        **{"@eaDir": 2, "Icon\r": 1, "System Volume Information": 1, "Thumbs.db": 1, "hidden": 1, "lost+found": 1},
    }


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["train/birds/", "validation/birds/"], "No images are in train/birds, validation/birds: fill such folders"),
        (["train/birds/list.txt", "validation/birds/.DS_Store"], "in train/birds, validation/birds:"),
        (["test/"], "No images are in test:"),
        (["train/birds/monday/", "train/cats/tuesday/", "docs/"], "No images are in train/birds:"),
    ],
)
def test_folders_without_images_are_named(more, told):
    layout = read_layout([*splits("train", "validation"), *more])
    assert layout.classes == ["cats", "dogs"]
    (warning,) = layout.warnings
    assert told in warning


def test_images_outside_of_any_class_are_named():
    layout = read_layout([*splits("training_set", "test_set"), "single/cat.jpg", "single/notes.txt", "x.JPEG"])
    assert layout.ignored == ["single/cat.jpg", "single/notes.txt", "x.JPEG"]
    assert layout.warnings == ["2 images lie outside of any class folder and so are not used: single/cat.jpg, x.JPEG."]


@pytest.mark.parametrize("end", ["/", "/1.jpg"])
@pytest.mark.parametrize("around", ["", "train/", "pets/train/"])
def test_a_class_that_is_hidden_is_named_by_a_warning(around, end):
    files = [
        *(f"{around}{name}/1.jpg" for name in "ab"),
        *([f"{around[:-6]}test/{name}/2.jpg" for name in "ab"] if around else []),
    ]
    layout = read_layout([*files, f"{around}.cats{end}"])
    (warning,) = layout.warnings
    assert warning.startswith(
        f"Hidden folders are passed over, though they lie where classes do: {around}.cats. Rename"
    )
    assert layout.passed_over == {"hidden": 1} and layout.classes == ["a", "b"]


def test_what_programs_hide_is_no_class():
    hidden = (
        ".git/",
        ".ipynb_checkpoints/1.jpg",
        ".DS_Store",
        "._a/",
        ".Trash-1000/",
        "a/.thumbs/1.jpg",
        "a/.mine/1.jpg",
        ".b.jpg",
    )
    assert read_layout(["a/1.jpg", "b/1.jpg", *hidden, "__MACOSX/a/1.jpg"]).warnings == []
