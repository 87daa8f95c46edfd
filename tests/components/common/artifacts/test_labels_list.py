"""The list of labels that are probably wrong: written, opened in a spreadsheet by a person, and read again."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.components.common.artifacts.lists.labels_list import COLUMNS, ListedLabel, read_labels, write_labels
from graft.components.common.errors import GraftError

DIGEST = "ab" * 32
HEADER = ",".join(COLUMNS)


def read(text):
    return list(read_labels(io.BytesIO(text.encode() if isinstance(text, str) else text), "labels.csv"))


def written(tmp_path, *rows):
    write_labels(tmp_path / "labels.csv", rows)
    return (tmp_path / "labels.csv").read_bytes()


@pytest.mark.parametrize(
    "path", ["=1+1.jpg", "+a", "-a", "@a", "\ta", "\ra", " =a", "＝a", "'a", "'=a", "''", 'a,"b"\nc', "é.jpg"]
)
def test_no_cell_is_a_formula_and_all_come_back(tmp_path, path):
    row = ListedLabel(DIGEST, path, "train", path, "-dog", 0.9876, "=cat", line=2)
    content = written(tmp_path, row)
    cells = list(csv.reader(io.StringIO(content.decode(), newline="")))[1]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "＝")) or cell[:1] in "\t\r"]
    (back,) = read(content)
    assert (back.path, back.label, back.suggested, back.correction) == (path, path, "-dog", "=cat")
    assert (back.sha256, back.confidence) == (DIGEST, 0.9876)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_path_comes_back(tmp_path_factory, path):
    (back,) = read(written(tmp_path_factory.mktemp("list"), ListedLabel("", path)))
    assert back.path == path


def test_columns_are_these_and_correction_is_empty(tmp_path):
    assert written(tmp_path, ListedLabel(DIGEST, "a.jpg", "test", "cat", "dog", 0.5)).decode() == (
        f"{HEADER}\r\n{DIGEST},a.jpg,test,cat,dog,0.5000,\r\n"
    )


def test_a_list_that_a_person_wrote_names_images_by_path_alone():
    (row,) = read("\ufeffcorrection,path,why\r\n remove ,'tis.jpg,blurred\r\n\r\n")
    assert row == ListedLabel("", "'tis.jpg", correction="remove", line=2)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("front", ["", "\r\n", "sep={}\r\n"])
def test_a_list_that_a_spreadsheet_saved(front, encoding, separator):
    text = front.format(separator) + 'correction|path\r\nÄpfel|"a, b; c.jpg"\r\n|\r\n'.replace("|", separator)
    (row,) = read(text.encode(encoding))
    assert row == ListedLabel("", "a, b; c.jpg", correction="Äpfel", line=3 if front else 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "its first line must name `correction`"),
        ("path|correction\na|b\n", "its first line must name `correction`"),
        ("sep=;\npath,correction\na,b\n", "its first line must name `correction`"),
        ("\n\npath;correction\na;b\n;cat\n", "labels.csv, line 5 names no image"),
        ("path,path,correction\na,b,c\n", "each once"),
        (f"{HEADER}\nabc,a.jpg,,,,,cat\n", "labels.csv, line 2: `sha256` is no digest"),
        (f"{HEADER}\n,,train,cat,,,dog\n", "labels.csv, line 2 names no image"),
        (b"path,correction\n\xff,cat\n", "is not UTF-8"),
        ('path,correction\n"a"b,cat\n', "in line 2"),
        ("path,correction\n" + "a" * 200_000 + ",cat\n", "field larger than field limit"),
    ],
)
def test_what_is_no_list_is_refused(content, message):
    with pytest.raises(GraftError, match=message):
        read(content)
