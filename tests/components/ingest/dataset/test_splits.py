"""Splits by content stay as they are whatever is added, and an earlier dataset's bind."""

import dataclasses
import hashlib
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import HALF, encoded, image_files, noise, record, refusal, rows, split_files, write_folder
from test_leakage import copies, photograph

from graft.components.common.compute.likeness.close_hashes import MAX_DISTANCE
from graft.components.common.compute.likeness.miniatures import SIDE, as_rows, same_picture
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.splits import split_by_content
from graft.components.ingest.images.checked_image import check_image
from graft.components.ingest.ingest import ingest

HALVES = IngestConfig(validation_fraction=0.4, test_fraction=0.2, max_bad_fraction=0.5)
# Pictures whose digests put them there.
IN_TRAIN, IN_VALIDATION = (encoded(noise(904)), encoded(noise(911))), encoded(noise(902))


def splits(dataset):
    return {row["path"]: row["split"] for row in rows(dataset)}


def photographs_of(count, start=0):
    return {
        f"{label}/{start + number}.jpg": encoded(photograph(1000 * place + start + number))
        for place, label in enumerate(("cats", "dogs"))
        for number in range(count)
    }


def test_more_images_move_none(tmp_path):
    few = image_files("cats", "dogs", images=40)
    more = few | {f"cats/more-{number}.jpg": encoded(noise(1000 + number)) for number in range(40)}
    ingest(str(write_folder(tmp_path / "few", few)), tmp_path / "a", HALVES)
    ingest(str(write_folder(tmp_path / "more", more)), tmp_path / "b", HALVES)
    before, after = splits(tmp_path / "a"), splits(tmp_path / "b")
    assert set(before.values()) == {"train", "validation", "test"}
    assert before.items() <= after.items() and len(after) == 120


def test_a_test_split_takes_nothing_from_validation(tmp_path):
    source = write_folder(tmp_path / "source", image_files("cats", "dogs", images=40))
    ingest(str(source), tmp_path / "a", IngestConfig(validation_fraction=0.4))
    ingest(str(source), tmp_path / "b", HALVES)
    before, after = splits(tmp_path / "a"), splits(tmp_path / "b")
    assert {path for path, split in before.items() if split == "validation"} == {
        path for path, split in after.items() if split == "validation"
    }


def test_folders_are_overruled_if_asked(tmp_path):
    source = write_folder(tmp_path / "source", split_files(images=20))
    ingest(str(source), tmp_path / "folders")
    ingest(str(source), tmp_path / "content", IngestConfig(split_by="hash", validation_fraction=0.4))
    assert all(path.startswith(split) for path, split in splits(tmp_path / "folders").items())
    assert not all(path.startswith(split) for path, split in splits(tmp_path / "content").items())


def test_asked_and_obtained_fractions_and_classes_too_small_for_them(tmp_path):
    files = image_files("cats", images=120) | {f"dogs/{n}.jpg": encoded(noise(500 + n)) for n in range(20)}
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", IngestConfig(validation_fraction=0.2))
    found = record(tmp_path / "dataset")
    for label, count in (("cats", 120), ("dogs", 20)):
        for split, asked in (("train", 0.8), ("validation", 0.2)):
            shares = found["fractions"][label][split]
            obtained = found["counts"][split][label] / count
            assert shares == {"asked": asked, "obtained": pytest.approx(obtained, abs=1e-6)}
    (warning,) = found["warnings"]
    assert "Class 'dogs' is too small to split reliably" in warning
    assert (
        f"{found['counts']['validation']['dogs']} of its 20 images are in validation, and 20% were asked for" in warning
    )


def test_of_many_small_classes_only_the_first_are_warned_of_one_by_one(tmp_path):
    names = [f"class {number}" for number in range(6)]
    files = {f"{name}/{n}.jpg": encoded(noise(20 * number + n)) for number, name in enumerate(names) for n in range(12)}
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", HALVES)
    found = record(tmp_path / "dataset")
    *named, more = found["warnings"]
    assert len(named) == 3 and all("Class 'class 0' is too small to split reliably" in warning for warning in named)
    assert more == "15 more such warnings: classes are too small to split reliably. The report has all."
    assert sorted(found["fractions"]) == names


def test_fractions_that_leave_nothing_to_train_on():
    with pytest.raises(GraftError, match="leave nothing to train on"):
        IngestConfig(validation_fraction=0.5, test_fraction=0.5)


def test_a_class_that_content_leaves_without_a_validation_image_is_warned_of(tmp_path):
    files = image_files("cats", "foxes", images=60) | {"dogs/0.jpg": IN_TRAIN[0]}
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", HALF)
    found = record(tmp_path / "dataset")
    assert (found["counts"]["train"]["dogs"], found["counts"]["validation"]["dogs"]) == (1, 0)
    *_, few, none = found["warnings"]
    assert (
        "Class 'dogs' is too small to split reliably: 0 of its 1 images are in validation, and 50% were asked for"
        in few
    )
    assert "Class 'dogs' has no image in validation, so it can't be evaluated there" in none


def test_of_many_classes_without_a_validation_image_only_the_first_are_warned_of_one_by_one(tmp_path):
    names = [f"dogs {number}" for number in range(5)]
    pictures = [encoded(noise(number)) for number in range(920, 950)]
    in_train = [each for each in pictures if split_by_content(hashlib.sha256(each).hexdigest(), HALF) == "train"]
    few = {f"{name}/0.jpg": picture for name, picture in zip(names, in_train, strict=False)}
    files = image_files("cats", "foxes", images=60) | few
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "dataset", HALF)
    *named, more = record(tmp_path / "dataset")["warnings"][-4:]
    assert [warning.split(" has no image in validation")[0] for warning in named] == [f"Class {n!r}" for n in names[:3]]
    assert more == "2 more such warnings: classes have no image in validation. The report has all."


def test_one_class_alone_is_nothing_to_judge_by_and_none_to_train_on_is_refused(tmp_path):
    cats = image_files("cats", images=60)
    source = write_folder(tmp_path / "few", cats | {"dogs/0.jpg": IN_TRAIN[0]})
    assert "Class 'dogs' has no usable image in validation: add some" in refusal(source, tmp_path / "no", HALF)
    source = write_folder(tmp_path / "none", cats | {"dogs/0.jpg": IN_VALIDATION})
    sentence = refusal(source, tmp_path / "no", HALF)
    assert "Class 'dogs' has no usable image in train: add some, change --validation-fraction" in sentence


def test_what_a_manifest_says_of_a_class_s_splits_is_not_luck(tmp_path):
    folder = write_folder(
        tmp_path, image_files("cats", "foxes", images=30) | {f"dogs/{n}.jpg": IN_TRAIN[n] for n in (0, 1)}
    )
    (folder / "dogs/2.jpg").write_bytes(b"no image")
    rows = [f"{label}/{n}.jpg,{label}," for label in ("cats", "foxes") for n in range(30)]
    (folder / "luck.csv").write_text("\n".join(["uri,label,split", *rows, "dogs/0.jpg,dogs,"]))
    ingest(str(folder / "luck.csv"), tmp_path / "dataset", HALF)
    assert "Class 'dogs' has no image in validation" in record(tmp_path / "dataset")["warnings"][-1]
    # Dogs are named as training images alone: their lack elsewhere is the source's, however the others are split.
    (folder / "train.csv").write_text(
        "\n".join(["uri,label,split", *rows, "dogs/0.jpg,dogs,train", "dogs/1.jpg,dogs,train"])
    )
    assert "Class 'dogs' has no usable image in validation" in refusal(folder / "train.csv", tmp_path / "no", HALF)
    # Dogs are named as validation images too, which aren't usable: one image without a split excuses nothing.
    named = [f"{label}/0.jpg,{label},validation" for label in ("cats", "foxes")]
    broken = [*named, "dogs/0.jpg,dogs,", "dogs/2.jpg,dogs,validation"]
    (folder / "broken.csv").write_text("\n".join(["uri,label,split", *rows[1:30], *rows[31:], *broken]))
    lenient = IngestConfig(validation_fraction=0.5, max_bad_fraction=0.5)
    sentence = refusal(folder / "broken.csv", tmp_path / "no", lenient)
    assert "Class 'dogs' has no usable image in validation ('dogs/2.jpg'" in sentence


def test_a_split_without_images(tmp_path):
    source = write_folder(tmp_path / "source", {"cats/0.jpg": IN_TRAIN[0], "dogs/0.jpg": IN_TRAIN[1]})
    assert "No usable image at all is in validation" in refusal(source, tmp_path / "dataset", IngestConfig())


@pytest.fixture
def before(tmp_path):
    """A dataset split by content, its source, and its splits."""
    source = write_folder(tmp_path / "source", photographs_of(20))
    ingest(str(source), tmp_path / "before", HALVES)
    return source, splits(tmp_path / "before")


def ingest_again(source, output, **changes):
    return ingest(str(source), output, HALVES, previous=str(output.parent / "before"), **changes)


def test_old_assignments_bind_even_under_other_fractions(tmp_path, before):
    source, old = before
    write_folder(source, photographs_of(5, start=100))
    other = IngestConfig(validation_fraction=0.1)
    ingest(str(source), tmp_path / "after", other, previous=str(tmp_path / "before"))
    assert old.items() <= splits(tmp_path / "after").items()
    ingest(str(source), tmp_path / "without", other)
    assert not old.items() <= splits(tmp_path / "without").items()


def test_new_twins_follow_their_old_twins(tmp_path, before):
    source, old = before
    new = {}
    for number in range(20):
        for name, content in copies(photograph(number)).items():
            new[f"cats/{number} {name}.jpg"] = content
    write_folder(source, new)
    ingest_again(source, tmp_path / "after")
    after = splits(tmp_path / "after")
    assert old.items() <= after.items()
    twin_of = {path: f"cats/{path.split('/')[1].split()[0]}.jpg" for path in new}
    assert all(after[path] == old[twin_of[path]] for path in new if "cropped" not in path)
    # A few crops of so smooth pictures have another hash.
    assert sum(after[path] == old[twin_of[path]] for path in new) >= 0.95 * len(new)
    assert record(tmp_path / "after")["excluded"] == []


def test_a_new_twin_of_images_in_two_splits_is_left_out_and_stays_so(tmp_path):
    # A copy of one, and another is a copy of it, but the crops add up to more than a copy's.
    whole = photograph(300).resize((720, 480))
    images = {cut: encoded(whole.crop((cut, cut, 720 - cut, 480 - cut)), "PNG") for cut in range(0, 60, 4)}
    checked = {cut: check_image(content) for cut, content in images.items()}

    def alike(one, other):
        one, other = checked[one], checked[other]
        miniatures = as_rows(pa.array([one.miniature, other.miniature], pa.binary(SIDE**2)))
        near = (int(one.phash, 16) ^ int(other.phash, 16)).bit_count() <= MAX_DISTANCE
        return near and same_picture(miniatures, np.array([0]), np.array([1])).all()

    one, middle, other = next(
        (a, b, c) for a, b, c in combinations(images, 3) if alike(a, b) and alike(b, c) and not alike(a, c)
    )
    apart = {"train/cats/one.png": images[one], "test/cats/other.png": images[other]}
    old = split_files() | apart | {"test/dogs/9.png": encoded(noise(77), "PNG")}
    ingest(str(write_folder(tmp_path / "source", old)), tmp_path / "before")
    flat = {f"{path.split('/')[1]}/{path.replace('/', '-')}": content for path, content in old.items()}
    by_content = write_folder(tmp_path / "flat", flat | {"cats/middle.png": images[middle]})
    after = ingest(str(by_content), tmp_path / "after", HALVES, previous=str(tmp_path / "before"))
    (entry,) = record(tmp_path / "after")["excluded"]
    assert entry["path"] == "cats/middle.png" and after.excluded == 1
    assert (
        "'cats/train-cats-one.png' in train and of 'cats/test-cats-other.png' in test, which an earlier dataset keeps apart"
        in entry["reason"]
    )
    again = ingest(str(by_content), tmp_path / "again", HALVES, previous=str(tmp_path / "after"))
    assert (again.digest, again.excluded) == (after.digest, 1)


def test_what_was_dropped_as_a_leak_does_not_come_back_as_new(tmp_path):
    files = photographs_of(20)
    leaks = {f"cats/{number} copy.jpg": encoded(photograph(number), quality=40) for number in range(20)}
    source = write_folder(tmp_path / "source", files | leaks)
    first = ingest(str(source), tmp_path / "before", HALVES)
    assert first.excluded > 0
    again = ingest_again(source, tmp_path / "again")
    assert (again.digest, again.excluded) == (first.digest, first.excluded)


def test_the_decisions_of_an_older_graft_s_dataset_stand(tmp_path):
    files = photographs_of(20)
    leaks = {f"cats/{number} copy.jpg": encoded(photograph(number), quality=40) for number in range(20)}
    source, run = write_folder(tmp_path / "source", files | leaks), Run(str(tmp_path / "store"), "pets", "1")
    first = ingest(str(source), tmp_path / "before", HALVES, run=run)
    old = splits(tmp_path / "before")
    for name in ("index.parquet", "left_out.parquet"):  # as they were before there were miniatures
        table = pq.read_table(tmp_path / "before" / name)
        pq.write_table(table.drop_columns("miniature"), tmp_path / "before" / name)
    many = dataclasses.replace(HALVES, validation_fraction=0.7, test_fraction=0.1)
    again = ingest(str(source), tmp_path / "again", many, run=run, previous=str(tmp_path / "before"))
    assert splits(tmp_path / "again") == old and again.excluded == first.excluded > 0
    assert (again.checked, again.reused) == (len(files | leaks), 0)
    assert all(row["miniature"] for row in rows(tmp_path / "again"))


@pytest.mark.parametrize("broken", ["dataset.json", "index.parquet"])
def test_an_earlier_dataset_that_is_damaged(tmp_path, before, broken):
    source, _ = before
    (tmp_path / "before" / broken).write_bytes(b"{")
    with pytest.raises(GraftError, match="damaged"):
        ingest_again(source, tmp_path / "after")
    (tmp_path / "before" / broken).unlink()
    with pytest.raises(GraftError, match=broken):
        ingest_again(source, tmp_path / "after")
    assert not (tmp_path / "after").exists()
