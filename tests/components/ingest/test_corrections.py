"""Corrections of labels hold whatever becomes of the files, and a list that can't be used is refused by file, line, field and remedy."""

import csv
import dataclasses
import hashlib
import json
import os

import pytest
from pictures import encoded, image_files, noise, pack, record, refusal, rows, shard_records, write_folder

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.lists.labels_list import COLUMNS, LARGEST, ListedLabel, write_labels
from graft.components.common.artifacts.lists.whole_lists import MOST, read_list
from graft.components.common.errors import GraftError
from graft.components.common.parameters import Parameters
from graft.components.common.runs.run import Run
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.dataset.corrections import Corrections, read_corrections
from graft.components.ingest.dataset.previous_dataset import latest_dataset
from graft.components.ingest.ingest import ingest
from graft.components.resolve.resolve import resolve

FILES = image_files("cats", "dogs", images=20)
PLAIN = IngestConfig(validation_fraction=0.4)
CAT, DOG, KEPT, REMOVED = "cats/1.jpg", "dogs/2.jpg", "cats/3.jpg", "dogs/4.jpg"
SAID = {CAT: "dogs", DOG: "cats", KEPT: "keep", REMOVED: "remove"}


def digest(content):
    return hashlib.sha256(content).hexdigest()


def by_digest(said=SAID):
    return [ListedLabel(digest(FILES[path]), path, "train", path[:4], correction=what) for path, what in said.items()]


def listed(folder, entries, name="labels.csv"):
    """A configuration that names a list of these entries."""
    write_labels(folder / name, entries)
    return dataclasses.replace(PLAIN, corrections=str(folder / name))


def labels(dataset):
    """The label, and whether it is kept, by digest."""
    return {row["sha256"]: (row["label"], row["label_kept"]) for row in rows(dataset)}


def test_a_season(tmp_path):
    """A list that is made once holds while files are renamed, uploaded again, moved between splits, and come and go."""
    store, config = str(tmp_path / "store"), listed(tmp_path, by_digest())
    ingest(str(write_folder(tmp_path / "plain", FILES)), tmp_path / "before", PLAIN)
    renamed = {f"{path[:4]}/week-2-{number}.jpg": FILES[path] for number, path in enumerate(FILES)}
    new = {"cats/new.jpg": encoded(noise(900)), "dogs/again.jpg": FILES[CAT]}
    split = {f"{['train', 'validation'][n % 2]}/{path}": FILES[path] for n, path in enumerate(reversed(FILES))}
    gone = {path: content for path, content in FILES.items() if path != CAT}
    weeks = [FILES, renamed, FILES | new, split, gone, FILES]
    applied = []
    for number, files in enumerate(weeks):
        this, output = Run(store, "pets", f"run-{number}"), tmp_path / f"week-{number}"
        source = pack(files, tmp_path / f"{number}.zip")
        result = ingest(str(source), output, config, run=this, previous=latest_dataset(this))
        assert result.corrected == (2 if number == 4 else 3)
        found = labels(output)
        for path, (label, kept) in {CAT: ("dogs", True), DOG: ("cats", True), KEPT: ("cats", True)}.items():
            assert found.pop(digest(FILES[path]), None) == (None if (number, path) == (4, CAT) else (label, kept))
        assert digest(FILES[REMOVED]) not in found and not any(kept for _, kept in found.values())
        told = record(output)["corrections"]
        applied.append([told[name] for name in ("corrected", "removed", "kept", "without_effect")])
        shown = (output / "report.html").read_text()
        assert "1 image is removed, and " in shown and "is removed by a correction" in shown
    assert applied == [[2, 1, 1, 0], [2, 1, 1, 0], [2, 1, 2, 0], [2, 1, 1, 0], [1, 1, 1, 1], [2, 1, 1, 0]]
    assert record(tmp_path / "week-4")["corrections"]["lines_without_effect"] == [2]
    # What a list removed once is there again without it, and nothing else is left of the list.
    without = ingest(str(source), tmp_path / "without", PLAIN, run=this, previous=latest_dataset(this))
    assert labels(tmp_path / "without") == labels(tmp_path / "before") and without.checked == 0
    assert "corrections" not in record(tmp_path / "without")


def test_the_record_says_what_the_source_said_and_the_digest_what_people_say(tmp_path):
    source = write_folder(tmp_path / "source", FILES)
    digests = {}
    for name, entries in {
        "plain": [],
        "all": by_digest(),
        "kept": by_digest({KEPT: "keep"}),
        "named": by_digest(),
    }.items():
        if name == "named":
            entries = [dataclasses.replace(entry, sha256="") for entry in entries]
        digests[name] = ingest(str(source), tmp_path / name, listed(tmp_path, entries, f"{name}.csv")).digest
    assert digests["all"] == digests["named"] and len(set(digests.values())) == 3
    found = record(tmp_path / "all")
    assert found["relabelled"] == [
        {"path": path, "label": SAID[path], "source_label": path[:4], "sha256": digest(FILES[path])}
        for path in (CAT, DOG)
    ]
    assert found["excluded"] == [{"path": REMOVED, "label": "dogs", "reason": "is removed by a correction"}]
    assert found["corrections"] == {
        **{"list": str(tmp_path / "all.csv"), "sha256": digest((tmp_path / "all.csv").read_bytes())},
        **{"corrected": 2, "removed": 1, "kept": 1, "without_effect": 0, "lines_without_effect": []},
    }
    assert sum(map(sum, (counts.values() for counts in found["counts"].values()))) == 39
    # Of shards that are read without their index, too.
    items = [item for shard in (tmp_path / "all").glob("*.tfrecord") for item in shard_records(shard)]
    texts = {item["image/filename"].decode(): item["image/class/text"].decode() for item in items}
    assert {path: texts[path] for path in SAID} == {CAT: "dogs", DOG: "cats", KEPT: "cats", REMOVED: "dogs"}


def test_twins_have_the_labels_that_people_give_and_what_is_removed_is_nobody_s_twin(tmp_path):
    same = {"dogs/copy.jpg": FILES[CAT], "dogs/other.jpg": FILES[KEPT]}
    source = write_folder(tmp_path / "source", FILES | same)
    said = [
        ListedLabel(digest(FILES[CAT]), "", correction="cats"),
        ListedLabel("", "dogs/other.jpg", correction="remove"),
    ]
    ingest(str(source), tmp_path / "plain", PLAIN)
    ingest(str(source), tmp_path / "said", listed(tmp_path, said))
    assert {(pair["label"], pair["twin_label"]) for pair in record(tmp_path / "plain")["duplicates"]} == {
        ("cats", "dogs")
    }
    (pair,) = record(tmp_path / "said")["duplicates"]
    assert (pair["label"], pair["twin_label"]) == ("cats", "cats") and "labels" not in str(
        record(tmp_path / "said")["warnings"]
    )
    found = {row["path"]: (row["label"], row["label_kept"]) for row in rows(tmp_path / "said")}
    assert found["dogs/copy.jpg"] == found[CAT] == ("cats", True) and found[KEPT] == ("cats", False)


def test_a_label_that_is_kept_is_the_one_that_was_looked_at(tmp_path):
    config = listed(tmp_path, by_digest({KEPT: "keep"}))
    files = {path.replace(KEPT, "dogs/moved.jpg"): content for path, content in FILES.items()}
    ingest(str(write_folder(tmp_path / "source", files)), tmp_path / "moved", config)
    assert labels(tmp_path / "moved")[digest(FILES[KEPT])] == ("dogs", False)
    found = record(tmp_path / "moved")
    assert (found["corrections"]["kept"], found["corrections"]["without_effect"]) == (0, 1)
    assert [warning for warning in found["warnings"] if "No row of" in warning]


def test_a_digest_counts_more_than_a_path(tmp_path):
    source = write_folder(tmp_path / "source", FILES)
    said = [
        ListedLabel(digest(FILES[CAT]), DOG, correction="dogs"),
        ListedLabel("", CAT, correction="remove"),
        ListedLabel("", "../../etc/passwd", correction="remove"),
        ListedLabel("f" * 64, KEPT, correction="remove"),
    ]
    ingest(str(source), tmp_path / "dataset", listed(tmp_path, said))
    found = record(tmp_path / "dataset")
    assert [entry["path"] for entry in found["relabelled"]] == [CAT] and found["excluded"] == []
    assert found["corrections"]["lines_without_effect"] == [3, 4, 5]


def text(*cells):
    return "\r\n".join([",".join(COLUMNS), *cells])


SHA = digest(FILES[CAT])
NO_LIST = r"is no list of labels: its first line must name `correction`"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            text(f"{SHA},,,,,,cots"),
            r"line 2: `correction` 'cots' is no class of the source: write cats, dogs, keep or remove\.",
        ),
        (text(f"{SHA},,,,,,'=cmd()"), r"line 2: `correction` '=cmd\(\)' is no class of the source"),
        (
            text(f"{SHA},,,,,,cats", f"{SHA},,,,,,dogs"),
            r"line 3: `correction` says dogs of the image of which line 2 says cats: leave one of them empty\.",
        ),
        (
            text(f"{SHA},,,cats,,,keep", f"{SHA},,,,,,remove"),
            r"line 3: `correction` says remove of the image of which line 2 says cats",
        ),
        (
            text(f",{CAT},,,,,keep", f",{CAT},,,,,dogs"),
            r"line 3: `correction` says dogs of the image of which line 2 says keep",
        ),
        (text(f"{SHA[:-1]},,,,,,cats"), r"line 2: `sha256` is no digest of 64 hexadecimal digits"),
        (text(",,,cats,,,dogs"), r"line 2 names no image: fill in `sha256` or `path`"),
        ("", NO_LIST),
        ("path,label\na,b", NO_LIST),
        (b"PK\x03\x04\x00\x00\xff\xff", "is not UTF-8"),
        (text(f"{SHA},,,,,,cats").encode("utf-16")[:-1], "is not UTF-8"),
        (b"\0" * 99, NO_LIST),
        (text('"' + "x" * 200_000), r"is no CSV \(field larger"),
    ],
)
def test_what_can_t_be_used_is_refused_by_line_field_and_remedy(tmp_path, content, words):
    source = write_folder(tmp_path / "source", FILES)
    path = tmp_path / "said.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(GraftError, match=f"^{tmp_path}/said.csv.*{words}"):
        raise GraftError(refusal(source, tmp_path / "dataset", dataclasses.replace(PLAIN, corrections=str(path))))


def test_one_that_is_larger_than_a_list_may_be_is_not_read(tmp_path):
    path = tmp_path / "said.csv"
    with path.open("wb") as file:
        file.truncate(100 * LARGEST)
    with pytest.raises(GraftError, match=r"said.csv is larger than 64 MiB\."):
        read_corrections(IngestConfig(corrections=str(path)))


def test_a_class_that_loses_all_its_images_to_others_says_why(tmp_path):
    source = write_folder(tmp_path / "source", FILES)
    config = listed(tmp_path, by_digest({path: "dogs" for path in FILES if path.startswith("cats")}))
    words = r"Class 'cats' has no usable image: corrections give all of them other labels\."
    with pytest.raises(GraftError, match=words):
        raise GraftError(refusal(source, tmp_path / "dataset", config))


def test_a_list_whose_name_is_no_text_can_be_recorded(tmp_path):
    config = listed(tmp_path, by_digest(), os.fsdecode(b"m\xfcll.csv"))
    ingest(str(write_folder(tmp_path / "source", FILES)), tmp_path / "dataset", config)
    assert record(tmp_path / "dataset")["corrections"]["list"].endswith(r"m\udcfcll.csv")


def test_a_class_that_is_called_like_a_word_of_the_list_is_refused():
    corrections = Corrections([ListedLabel("", CAT, correction="cats")], "said.csv")
    with pytest.raises(
        GraftError, match="a class of the source is called keep, as what a `correction` may say: rename it"
    ):
        corrections.check_classes(["cats", "keep"])


def test_rows_that_say_the_same_twice_or_nothing_are_fine(tmp_path):
    twice = [
        *by_digest(),
        *by_digest(),
        ListedLabel("e" * 64, "x"),
        ListedLabel(SHA, "", label="dogs", correction="keep"),
    ]
    source = write_folder(tmp_path / "source", FILES)
    ingest(str(source), tmp_path / "dataset", listed(tmp_path, twice))
    told = record(tmp_path / "dataset")["corrections"]
    assert [told[name] for name in ("corrected", "removed", "kept", "without_effect")] == [2, 1, 1, 0]


def test_a_long_list_of_corrected_labels_is_whole_beside_the_record(tmp_path):
    corrections = Corrections([ListedLabel("", f"{number}", correction="dogs") for number in range(MOST + 5)], "x", "y")
    for number in range(MOST + 5):
        assert corrections.decide(f"{number:064x}", f"{number}", "cats").label == "dogs"
    ingest(str(write_folder(tmp_path / "source", FILES)), tmp_path / "dataset", PLAIN)
    dataset = Dataset.load(tmp_path / "dataset").model_copy(update={"relabelled": tuple(corrections.relabelled)})
    dataset.write(tmp_path / "dataset")
    assert len(Dataset.load(tmp_path / "dataset").relabelled) == MOST
    whole = read_list(tmp_path / "dataset" / "whole_lists.parquet", "relabelled")
    assert len(whole) == MOST + 5 and whole["source_label"][MOST].as_py() == "cats"


def test_resolve_sees_another_list_and_one_that_can_t_be_read(tmp_path):
    source = str(write_folder(tmp_path / "source", FILES))
    config = json.dumps({"ingest": {"corrections": str(tmp_path / "labels.csv")}})

    def found():
        return resolve(Parameters(source, "random", config=config)).found

    with pytest.raises(GraftError, match=r"labels\.csv doesn't exist: check the path or URI\."):
        found()
    (tmp_path / "labels.csv").mkdir()
    with pytest.raises(GraftError, match=r"labels\.csv is a folder: name a file\.$"):
        found()
    (tmp_path / "labels.csv").rmdir()
    listed(tmp_path, by_digest())
    first = found()
    assert found() == first
    listed(tmp_path, by_digest({KEPT: "keep"}))
    assert found() != first
    with (tmp_path / "labels.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["0", "", "", "", "", "", "cats"])
    with pytest.raises(GraftError, match="line 3: `sha256` is no digest"):
        found()


def test_no_secret_of_the_list_s_uri_is_recorded(tmp_path):
    from fsspec import filesystem

    uri = "memory://lists/said.csv?token=hush"
    with filesystem("memory").open("/lists/said.csv?token=hush", "wb") as file:
        file.write(text(f"{SHA},,,,,,dogs").encode())
    ingest(
        str(write_folder(tmp_path / "source", FILES)), tmp_path / "dataset", dataclasses.replace(PLAIN, corrections=uri)
    )
    assert "hush" not in "".join((tmp_path / "dataset" / name).read_text() for name in ("dataset.json", "report.html"))
    assert record(tmp_path / "dataset")["corrections"]["list"] == "memory://lists/said.csv"


def test_an_index_without_the_column_is_an_earlier_dataset_all_the_same(tmp_path):
    import pyarrow.parquet as pq

    source = write_folder(tmp_path / "source", FILES)
    this = Run(str(tmp_path / "store"), "pets", "run-1")
    ingest(str(source), tmp_path / "first", PLAIN, run=this)
    for name in ("index.parquet", "left_out.parquet"):
        path = tmp_path / "store/models/pets/runs/run-1" / name
        pq.write_table(pq.read_table(path).drop_columns(["label_kept"]), path)
    again = ingest(
        str(source), tmp_path / "again", listed(tmp_path, by_digest()), run=this, previous=latest_dataset(this)
    )
    assert (again.checked, again.reused, again.corrected) == (0, 40, 3)
