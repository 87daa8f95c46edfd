"""A manifest names images wherever they lie; what it says is kept, and what is wrong with it is told by line."""

import http.server
import json
import os
import uuid

import fsspec
import pytest
from pictures import encoded, noise, write_folder
from web import in_a_thread

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.ingest.source.folder_layout import read_layout
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.labelled_images import LabelledImage
from graft.components.ingest.source.layout import by_hash, limited
from graft.components.ingest.source.manifests.manifest import is_manifest, open_manifest

VERTEX = "aiplatform.googleapis.com/ml_use"


def manifest(folder, text, name="m.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def jsonl(*rows):
    return "\n".join(json.dumps(row) for row in rows)


def read(folder, text, name="m.csv"):
    return open_manifest(manifest(folder, text, name))[1]


def rows(layout):
    return [(item.path, item.label, item.split) for item in layout.images]


def refusal(uri):
    with pytest.raises(GraftError) as refused:
        open_manifest(uri)
    sentence = str(refused.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        *(("a.csv", True), ("a.CSV", True), ("a/b.jsonl", True), ("gs://b/m.csv", True)),
        *(("https://u:p@h/m.csv?sig=x.zip", True), ("https://h/m.zip?x=.csv", False)),
        *(("a.zip", False), ("csv", False), ("a.json", False), ("folder.csv/", False), ("a.csv\n", False)),
    ],
)
def test_what_a_manifest_is_called(uri, expected):
    assert is_manifest(uri) == expected


EXPECTED = [("a.jpg", "cat", "train"), ("b.jpg", "dog", "train"), ("c.jpg", "cat", None), ("d.jpg", "dog", None)]
SEMICOLONS = "a.jpg;cat;train\r\nb.jpg;dog;train\r\nc.jpg;cat;\r\nd.jpg;dog;\r\n"
FORMS = {
    "csv": ("m.csv", "uri,label,split\na.jpg,cat,train\nb.jpg,dog,training\nc.jpg,cat,\nd.jpg,dog,unassigned\n"),
    "csv in any order": ("m.csv", "split,label,uri\ntrain,cat,a.jpg\nTRAIN,dog,b.jpg\n,cat,c.jpg\n,dog,d.jpg\n"),
    "byte order mark and Windows line ends": (
        "m.csv",
        "\ufeffURI,Label,Split\r\na.jpg,cat,train\r\n\r\nb.jpg,dog,train\r\nc.jpg, cat ,\r\nd.jpg,dog,\r\n",
    ),
    "quotes": ("m.csv", '"uri","label","split"\n"a.jpg","cat","train"\nb.jpg,dog,train\nc.jpg,cat,""\nd.jpg,dog,'),
    "semicolons": ("m.csv", f"\ufeffuri;label;split\r\n{SEMICOLONS}"),
    "a line that tells the separator": ("m.csv", f"SEP=;\r\nuri;label;split\r\n{SEMICOLONS}"),
    "tabs in UTF-16": ("m.csv", ("\nuri\tlabel\tsplit\r\n" + SEMICOLONS.replace(";", "\t")).encode("utf-16")),
    "spaces before quotes": (
        "m.csv",
        'uri, label, split\na.jpg, "cat", "train"\nb.jpg, dog, train\nc.jpg, "cat",\nd.jpg, "dog", ""\n',
    ),
    "rows of separators alone": ("m.csv", f"uri;label;split\r\n;;\r\n{SEMICOLONS};;\r\n;;\r\n"),
    "a byte order mark in the middle": (
        "m.csv",
        "\ufeff\ufeffuri,label,split\na.jpg,cat,train\nb.jpg,dog,train\n\ufeffc.jpg,cat,\nd.jpg,dog,\n",
    ),
    "keys in capitals": (
        "m.jsonl",
        jsonl(
            {"URI": "a.jpg", "Label": "cat", "Split": "train"},
            {"uri": "b.jpg", "LABEL": "dog", "split": "train"},
            *({"Uri": f"{name}.jpg", "label": label} for name, label in (("c", "cat"), ("d", "dog"))),
        ),
    ),
    "Vertex AI's CSV": ("m.csv", "training,a.jpg,cat\ntraining,b.jpg,dog\nc.jpg,cat\nUNASSIGNED,d.jpg,dog\n"),
    "jsonl": (
        "m.jsonl",
        jsonl(
            {"uri": "a.jpg", "label": "cat", "split": "train"},
            {"label": "dog", "split": "train", "uri": "b.jpg"},
            {"uri": "c.jpg", "label": "cat"},
            {"uri": "d.jpg", "label": "dog", "split": None},
        ),
    ),
    "Vertex AI's jsonl": (
        "m.JSONL",
        "\ufeff"
        + jsonl(
            *(
                {
                    "imageGcsUri": f"{name}.jpg",
                    "classificationAnnotation": {"displayName": label},
                    "dataItemResourceLabels": {VERTEX: use} if use else {},
                }
                for name, label, use in zip("abcd", ("cat", "dog") * 2, ("training",) * 2 + ("",) * 2, strict=True)
            )
        )
        + "\n\n",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    name, text = FORMS[form]
    layout = read(tmp_path, text, name)
    assert rows(layout) == EXPECTED
    assert (layout.classes, layout.columns, layout.ignored) == (["cat", "dog"], [], [])


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("validation", "validation"), ("Valid", "validation"), ("VAL", "validation"), ("test", "test")),
        *(("TEST", "test"), ("training", "train"), ("", None)),
        *(("dev", "validation"), ("Test_Set", "test"), ("TrainingData", "train"), ("val2017", "validation")),
    ],
)
def test_splits(tmp_path, name, split):
    text = f"uri,label,split\n1,a,\n2,b,\n3,a,train\n4,b,train\n5,a,{name}\n6,b,{name}\n"
    assert [item.split for item in read(tmp_path, text).images] == [None, None, "train", "train", split, split]


def test_labels_are_the_same_however_unicode_writes_them(tmp_path):
    layout = read(tmp_path, "uri,label\n1,caf\u00e9\n2,cafe\u0301 \n3,bar\n")
    assert layout.classes == ["bar", "caf\u00e9"]


def test_paths_of_windows_lie_in_the_folder(tmp_path):
    write_folder(tmp_path, {"cats/1.jpg": b"1", "we\\ird.jpg": b"2"})
    images, _ = open_manifest(str(manifest(tmp_path, "uri,label\ncats\\1.jpg,cat\n./we\\ird.jpg,dog\n")))
    assert [images.read(path) for path in ("cats\\1.jpg", "./we\\ird.jpg")] == [b"1", b"2"]


def test_without_splits_or_all_for_training_the_content_decides(tmp_path):
    for text in ("uri,label\n1,a\n2,b\n3,c\n", "uri,label,split\n1,a,train\n2,b,train\n3,c,train\n"):
        layout = read(tmp_path, text)
        assert {item.split for item in layout.images} == {None}
        assert layout.classes == ["a", "b", "c"]


def test_further_columns_are_kept_as_text(tmp_path):
    layout = read(tmp_path, "uri,camera,label,site\nx.jpg,Nikon,a,Böblingen\nb.jpg,,b,\"two\nlines, 'so'\"\n")
    assert layout.columns == ["camera", "site"]
    assert [item.columns for item in layout.images] == [("", "two\nlines, 'so'"), ("Nikon", "Böblingen")]
    layout = read(
        tmp_path,
        jsonl(
            {"uri": "a", "label": 3},
            {"uri": "b", "label": "4", "n": 1.5, "ok": True},
            {
                "imageGcsUri": "gs://b/c",
                "classificationAnnotation": {"displayName": "4"},
                "dataItemResourceLabels": {"site": "north"},
                "tags": ["x", {"y": None}],
                "n": None,
            },
        ),
        "m.jsonl",
    )
    assert layout.columns == ["n", "ok", "site", "tags"]
    assert [item.columns for item in layout.images] == [
        ("", "", "", ""),
        ("1.5", "true", "", ""),
        ("", "", "north", '["x", {"y": null}]'),
    ]
    assert layout.classes == ["3", "4"]


def test_the_same_row_twice_counts_once(tmp_path):
    (tmp_path / "x").mkdir()
    absolute = tmp_path / "a.jpg"
    text = f"uri,label,n\na.jpg,a,1\n./a.jpg,a,1\nx/../a.jpg,a,1\n{absolute},a,1\n{absolute.as_uri()},a,1\nb.jpg,b,\n"
    assert rows(read(tmp_path, text)) == [("a.jpg", "a", None), ("b.jpg", "b", None)]


REFUSED = {
    "nothing": ("", "names no images: expected columns uri and label"),
    "only a header": ("uri,label\n\n", "names no images"),
    "no label column": ("uri,class\na.jpg,cat\n", "line 1: the header has no column label: add it."),
    "no uri column": ("path,label\na.jpg,cat\n", "line 1: the header has no column uri"),
    "other names": ("image,class\na.jpg,cat\n", "line 1: is neither a header with uri and label nor a row of Vertex"),
    "a column twice": ("uri,label,x,x\n", "line 1: the header names 'x' twice"),
    "a nameless column": ("uri,label,\n", "line 1: column 3 has no name"),
    "a column of the index": ("uri,label,Sha256\n", "line 1: the column name 'Sha256' is taken by the index"),
    "too many columns": ("uri,label," + ",".join(map(str, range(101))), "101 further columns, more than 100"),
    "an empty label": ("uri,label\na.jpg,cat\n\nb.jpg, \n", "line 4: label is empty: name the image's class"),
    "an empty uri": ("uri,label\n,cat\n", "line 2: uri is empty"),
    "another split": ("uri,label,split\na,cat,holdout\n", "line 2: split is 'holdout': write train, validation, test"),
    "a field too many": ("uri,label\na,b,c\n", "line 2: has 3 fields where the header has 2"),
    "a field too few": ("uri,label,split\na,b\n", "line 2: has 2 fields where the header has 3"),
    "no label in Vertex AI's form": ("gs://b/a.jpg,a\ntest,gs://b/b.jpg\n", "line 2: label is empty"),
    "labels in Vertex AI's form": ("gs://b/a.jpg,a,b\n", "line 1: has more than one label"),
    "another label": ("uri,label\na,x\nb,y\n./a,y\n", "line 4: names the image of line 2 again, with another label"),
    "another split for it": (
        "uri,label,split\na,x,train\na,x,\n",
        "line 3: names the image of line 2 again, with another split",
    ),
    "another column": ("uri,label,n\na,x,1\na,x,2\n", "line 3: names the image of line 2 again, with another 'n'"),
    "an open quote": ('uri,label\na.jpg,"cat\nb.jpg,dog\n', "line 2: is not CSV (unexpected end of data)"),
    "text behind a quote": ('uri,label\na.jpg,"cat"x\n', "line 2: is not CSV"),
    "old line ends": ("uri,label\ra.jpg,cat\r", "line 1: ends its lines with CR alone"),
    "many old line ends": ("uri,label\r" + "a.jpg,cat\r" * 2**15, "line 1: ends its lines with CR alone"),
    "the header twice": ("uri,label\na,x\nURI,label\nb,y\n", "line 3: is the header once more"),
    "Latin-1": ("uri,label\na.jpg,Kätzchen\n".encode("latin-1"), "line 2: is not UTF-8: save the manifest as UTF-8"),
    "half a character of UTF-16": ("uri,label\n".encode("utf-16") + b"a", "line 2: is not UTF-16"),
    "a long line of UTF-16": (
        ("uri,label\na," + "x" * 2**18).encode("utf-16"),
        "line 2: the row is longer than 128 KiB",
    ),
    "semicolons without a header": (
        "training;a.jpg;cat\n",
        "line 1: separates its fields by ';': separate them by commas, or",
    ),
    "a Windows machine's path": (
        "uri,label\nC:\\photos\\1.jpg,cat\n",
        "line 2: uri 'C:\\\\photos\\\\1.jpg' is a path on a Windows",
    ),
    "a Windows share": ("uri,label\n\\\\nas\\photos\\1.jpg,cat\n", "is a path on a Windows machine"),
    "NUL": ("uri,label\na\0b,cat\n", "line 2: holds a NUL character"),
    "a long line": ("uri,label\na,cat\nb," + "x" * 2**18, "line 3: the row is longer than 128 KiB"),
    "a row of many lines": ('uri,label\na,"cat' + "\n" * 2**18, "line 2: the row is longer than 128 KiB"),
    "one class": ("uri,label\na,cat\nb,cat\n", "m.csv: The source has only one class, cat"),
    "a class that is missing from a split": (
        "uri,label,split\na,x,train\nb,y,\nc,x,test\n",
        "train has the classes x, y, but test has x: every split needs images of every class",
    ),
    "no training images": ("uri,label,split\na,x,test\nb,y,test\n", "has no training images"),
    "a chain of URIs": ("uri,label\nzip://a::file:///b,x\n", "line 2: uri is a chain of URIs"),
    "another scheme": ("uri,label\nzip://a,x\n", "line 2: uri begins with 'zip', which this manifest can't name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_csv(tmp_path, name):
    text, told = REFUSED[name]
    sentence = refusal(manifest(tmp_path, text))
    assert told in sentence and sentence.startswith(str(tmp_path / "m.csv"))


ROW = {"uri": "a", "label": "x"}
REFUSED_JSON = {
    "no JSON": ("{", "line 1: is not JSON"),
    "no object": ("\n[1]", "line 2: is not a JSON object"),
    "deep": ("[" * 100_000, "line 1: is not JSON"),
    "a number of many digits": ('{"uri": "a", "label": ' + "1" * 10_000 + "}", "line 1: is not JSON"),
    "no label": (jsonl({"uri": "a"}), "line 1: has no label, its keys are 'uri': name"),
    "no uri": (
        jsonl({"image_path": "a", "label": "x"}),
        "line 1: has no uri, its keys are 'image_path', 'label': name",
    ),
    "no keys": ("{}", "line 1: has no uri, it has no keys: name"),
    "an empty uri": (jsonl(ROW | {"uri": None}), "line 1: uri is empty"),
    "an empty label": (jsonl(ROW | {"label": ""}), "line 1: label is empty"),
    "a list of labels": (jsonl({"uri": "a", "label": ["x"]}), "line 1: label is '[\"x\"]', not text"),
    "half a character": ('{"uri": "a", "label": "\\ud800"}', "line 1: 'label' holds half of a Unicode surrogate pair"),
    "half a character in a key": ('{"uri": "a", "label": "x", "\\ud800": 1}', "holds half of a Unicode surrogate pair"),
    "NUL": ('{"uri": "a\\u0000", "label": "x"}', "line 1: 'uri' holds a NUL character"),
    "a column of the index": (jsonl(ROW, ROW | {"width": 1}), "line 2: the column name 'width' is taken by the index"),
    "ever more columns": (
        jsonl(*({"uri": str(n), "label": "x", f"c{n}": 1} for n in range(200))),
        "line 101: brings the number of further columns to more than 100",
    ),
    "a key twice": (
        '{"uri": "a", "label": "x", "label": "y"}',
        "line 1: is not JSON ('label' stands in one object twice",
    ),
    "a key twice in capitals": ('{"uri": "a", "Label": "x", "label": "y"}', "keep one of them"),
    "no annotation": (jsonl({"imageGcsUri": "a"}), "line 1: has no classificationAnnotation"),
    "several annotations": (
        jsonl({"imageGcsUri": "a", "classificationAnnotations": [{"displayName": "x"}]}),
        "line 1: has no classificationAnnotation with a displayName",
    ),
    "keys of both": (
        jsonl({"imageGcsUri": "a", "classificationAnnotation": {"displayName": "x"}, "uri": "b"}),
        "line 1: has keys of both",
    ),
    "a column that came later": (
        jsonl(ROW, {"uri": "b", "label": "y", "n": "1"}, ROW | {"n": "2"}),
        "line 3: names the image of line 1 again, with another 'n'",
    ),
}


@pytest.mark.parametrize("name", REFUSED_JSON)
def test_refused_jsonl(tmp_path, name):
    text, told = REFUSED_JSON[name]
    assert told in refusal(manifest(tmp_path, text, "m.jsonl"))


def test_local_images_are_read_from_wherever_they_lie(tmp_path):
    contents = {"folder/a 1.jpg": encoded(noise(1)), "elsewhere/b#?.jpg": encoded(noise(2)), "a::b.jpg": b"3"}
    write_folder(tmp_path, contents)
    elsewhere = tmp_path / "elsewhere" / "b#?.jpg"
    text = f'uri,label\n"a 1.jpg",a\n{elsewhere},b\n../a::b.jpg,b\n'
    images, layout = open_manifest(manifest(tmp_path / "folder", text))
    assert images.paths() == [item.path for item in layout.images] == ["../a::b.jpg", str(elsewhere), "a 1.jpg"]
    assert [images.read(path) for path in images.paths()] == list(contents.values())[::-1]
    assert images.version(str(elsewhere)) == storage.version(str(elsewhere)) != ""


def test_a_manifest_named_by_a_relative_path(tmp_path, monkeypatch):
    write_folder(tmp_path, {"a.jpg": b"1", "b.jpg": b"2"})
    monkeypatch.chdir(tmp_path)
    manifest(tmp_path, "uri,label\na.jpg,a\nb.jpg,b\n")
    images, _ = open_manifest("m.csv")
    monkeypatch.chdir("/")
    assert images.read("b.jpg") == b"2"


def test_local_files_that_can_not_be_read_are_left_out_with_their_reasons(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(bytes(100))
    names = ["missing", "pipe", ".", "big", "x" * 1000, "m.csv/x"]
    images, _ = open_manifest(manifest(tmp_path, "uri,label\nother,b\n" + "".join(f"{name},a\n" for name in names)))
    monkeypatch.setattr("graft.components.ingest.source.image_files.MAX_FILE_BYTES", 99)
    reasons = {"big": "is larger", "pipe": "is a pipe"}
    for name in names:
        with pytest.raises(UnreadableFileError, match=reasons.get(name, "doesn't exist, or is no file")):
            images.read(name)
    assert images.version("missing") == ""


@pytest.mark.parametrize("name", ["missing.csv", "pipe.csv", "folder.csv"])
def test_manifests_that_are_no_file(tmp_path, name):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    assert name in refusal(str(tmp_path / name))


def remote(**files):
    folder = f"memory://{uuid.uuid4().hex}"
    for name, content in files.items():
        fsspec.filesystem("memory").pipe(f"{folder}/{name.replace('_', '.')}", content)
    return folder


def test_a_remote_manifest_and_its_images():
    folder = remote(a_jpg=b"1", b_jpg=b"2", m_csv=b"")
    fsspec.filesystem("memory").pipe(
        f"{folder}/m.csv", f"uri,label\na.jpg,a\n{folder}/b.jpg,b\nc.jpg,b\n./a.jpg,a\n".encode()
    )
    images, layout = open_manifest(f"{folder}/m.csv")
    assert [item.path for item in layout.images] == ["a.jpg", "c.jpg", f"{folder}/b.jpg"]
    assert (images.read("a.jpg"), images.read(f"{folder}/b.jpg"), images.version("a.jpg")) == (
        b"1",
        b"2",
        images.version("a.jpg"),
    )
    with pytest.raises(UnreadableFileError, match="doesn't exist"):
        images.read("c.jpg")


@pytest.mark.parametrize(
    "uri",
    [
        *("/etc/passwd", "file:///etc/passwd", "local:///etc/passwd", "FILE:///etc/passwd", "../../etc/passwd"),
        *("x/../../y", "a::file:///etc/passwd", "a::b", "simplecache::/etc/passwd", "git:///etc", "dir:///etc"),
        *("gs://b/a::file:///etc/passwd", "://etc", "arrow_hdfs://x"),
    ],
)
def test_a_remote_manifest_can_not_name_local_files(uri):
    folder = remote(m_csv=f"uri,label\n{uri},a\n".encode())
    sentence = refusal(f"{folder}/m.csv")
    assert "m.csv, line 2: uri " in sentence and "write" in sentence


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        place = self.path.partition("?")[0]
        status, content = self.server.files.get(place, (404, b""))
        if place == "/flaky.jpg" and len([path for path in self.server.asked if path == self.path]) > 1:
            status = 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr("graft.components.common.storage.troubles.retries.PATIENCE", 2.0)
    with in_a_thread(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        server.files, server.asked, server.place = {}, [], f"127.0.0.1:{server.server_port}"
        yield server


def test_images_of_a_web_server(tmp_path, web):
    text = "".join(
        f"{uri},{label}\n"
        for uri, label in (
            ("uri", "label"),
            (f"http://{web.place}/good.jpg?sig=secret#x", "a"),
            ("below.jpg?sig=secret", "b"),
            *((f"http://{web.place}/{name}.jpg", "b") for name in ("missing", "denied", "teapot", "broken", "flaky")),
            ("http://127.0.0.1:1/x.jpg", "a"),
        )
    )
    web.files = {
        "/m.csv": (200, text.encode()),
        "/good.jpg": (200, b"good"),
        "/below.jpg": (200, b"below"),
        "/denied.jpg": (403, b""),
        "/teapot.jpg": (418, b""),
        "/broken.jpg": (503, b""),
        "/flaky.jpg": (500, b"flaky"),
    }
    images, layout = open_manifest(f"http://{web.place}/m.csv?sig=secret")
    paths = [item.path for item in layout.images]
    assert "secret" not in "".join(paths) and {"below.jpg", f"http://{web.place}/good.jpg"} <= set(paths)
    assert images.read(f"http://{web.place}/good.jpg") == b"good" and "/good.jpg?sig=secret" in "".join(web.asked)
    assert images.read("below.jpg") == b"below" and web.asked[-1] == "/below.jpg?sig=secret"
    assert images.read(f"http://{web.place}/flaky.jpg") == b"flaky"
    for name, reason in (("missing", "doesn't exist"), ("denied", "by this account"), ("teapot", "HTTP status 418")):
        with pytest.raises(UnreadableFileError, match=reason):
            images.read(f"http://{web.place}/{name}.jpg")
    with pytest.raises(UnreadableFileError, match="no public address"):
        images.read("http://127.0.0.1:1/x.jpg")
    with pytest.raises(GraftError, match="can't be reached") as failed:
        images.read(f"http://{web.place}/broken.jpg")
    assert "secret" not in str(failed.value)


def test_images_that_differ_in_their_secrets_alone_are_refused(tmp_path):
    text = "uri,label\nhttps://h/i?id=1,a\nhttps://h/i?id=1,a\nhttps://h/i?id=2,a\n"
    sentence = refusal(manifest(tmp_path, text))
    assert "line 4: differs from the image of line 2 in its query string alone" in sentence


def test_a_manifest_in_a_bucket(bucket):
    fs = fsspec.filesystem("gs")
    for name, content in (("a.jpg", b"1"), ("x/b#1.jpg", b"2")):
        fs.pipe_file(f"{bucket}/{name}", content)
    fs.pipe_file(f"{bucket}/m.csv", f"training,{bucket}/a.jpg,a\nx/b#1.jpg,b\n{bucket}/none.jpg,b\n".encode())
    images, layout = open_manifest(f"{bucket}/m.csv")
    assert rows(layout) == [
        (f"{bucket}/a.jpg", "a", "train"),
        (f"{bucket}/none.jpg", "b", None),
        ("x/b#1.jpg", "b", None),
    ]
    assert (images.read(f"{bucket}/a.jpg"), images.read("x/b#1.jpg")) == (b"1", b"2")
    with pytest.raises(UnreadableFileError, match="doesn't exist"):
        images.read(f"{bucket}/none.jpg")


def test_a_limit_keeps_as_many_of_each_class_in_each_split_and_the_same_ones_again():
    paths = [
        f"{split}/{label}/{number:04}.jpg" for split in ("train", "val") for label in "abc" for number in range(50)
    ]
    layout = read_layout([*paths, "README"])
    some = limited(layout, 7)
    assert [
        len([item for item in some.images if (item.split, item.label) == (split, label)])
        for split in ("train", "validation")
        for label in "abc"
    ] == [7] * 6
    assert set(limited(layout, 3).images) < set(some.images) < set(layout.images)
    assert limited(read_layout(paths[::-1]), 7).images == some.images == sorted(some.images, key=lambda item: item.path)
    assert some.images[:7] != layout.images[:7]
    assert limited(layout, 50).images == layout.images and some.ignored == ["README"]
    hashed = by_hash(layout)
    assert {item.split for item in hashed.images} == {None} and len(limited(hashed, 7).images) == 21
    assert hashed.classes == layout.classes and hashed.images[0] == LabelledImage(layout.images[0].path, None, "a")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b"PK\3\4\x14\0\6\0[Content_Types].xml",
            "is a workbook or an archive, though it is called a manifest: save its",
        ),
        (
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(99),
            "is a workbook or an archive, though it is called a manifest: save its",
        ),
        (b"<!DOCTYPE html><html>Sign in</html>", "is a web page, as a server may send instead of a file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
    ],
)
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_what_is_no_manifest_is_named(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    assert refusal(str(tmp_path / name)).startswith(f"{tmp_path / name} {told}")
