"""Whatever a manifest holds: no crash, nothing written anywhere, no flood of memory, no local file read for a remote one."""

import contextlib
import itertools
import json

import fsspec
from fuzz import CANARY, JPEG, REPEATED, mutations, watched
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.components.common.errors import GraftError
from graft.components.ingest.source.image_files import UnreadableFileError
from graft.components.ingest.source.manifests.manifest import open_manifest

NUMBERS = itertools.count()
URIS = st.one_of(
    st.sampled_from(
        [
            "a.jpg",
            "./a.jpg",
            "b/c.jpg",
            "../canary",
            "../../canary",
            "{root}/canary",
            "file://{root}/canary",
            "local://{root}/canary",
        ]
    ),
    st.sampled_from(
        [
            "gs://b/a.jpg",
            "https://u:p@h/a?b#c",
            "http://[::1",
            "s3://b",
            "gs://",
            "://",
            "::",
            "zip://a::file://{root}/canary",
            "a::file://{root}/canary",
        ]
    ),
    st.sampled_from(
        [
            "FILE://{root}/canary",
            "dir://{root}/canary",
            "simplecache::{root}/canary",
            "memory://x/y",
            "~/a",
            "x" * 5000,
            "/",
            ".",
            "..",
            "\n",
            "%2e%2e/canary",
        ]
    ),
    st.text(max_size=20),
)
SPLITS = st.sampled_from(["", "train", "training", "validation", "val", "test", "UNASSIGNED", "dev", " Train "])
TEXTS = st.one_of(
    st.sampled_from(["cat", "dog", "ünïcode", '"', "a,b", "a\nb", "\ud800", "\0", "\ufeff", "x" * 200]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.one_of(
    st.sampled_from(
        [["uri", "label"], ["uri", "label", "split"], ["split", "uri", "label", "x"], ["Label", "URI", "y", "z"], []]
    ),
    st.lists(st.one_of(st.sampled_from(["uri", "label", "split", "sha256", "x", ""]), TEXTS), max_size=5),
)
CELLS = st.one_of(URIS, SPLITS, TEXTS, st.sampled_from(["cat", "dog"]))


def csv_line(cells):
    return ",".join(cell if cell.isalnum() else '"' + cell.replace('"', '""') + '"' for cell in cells)


SOUND_URIS = st.one_of(
    st.sampled_from(["a.jpg", "./a.jpg", "b/c.jpg", "gs://b/a.jpg", "https://h/a?b#c"]),
    st.integers(0, 99).map("folder/{}.jpg".format),
)
LABELS = st.sampled_from(["cat", "dog"])


def sound_rows(*cells):
    """Strategy of rows of a manifest with nothing wrong with it, most of the time."""
    return st.lists(st.tuples(SOUND_URIS, LABELS, *cells), min_size=3, max_size=8, unique_by=lambda row: row[0])


def csv_text(table):
    return "\r\n".join(csv_line(row) for row in [table[0], *table[1]]) + "\r\n"


SOUND_CSV = st.one_of(
    st.tuples(st.just(["uri", "label"]), sound_rows()),
    st.tuples(st.just(["URI", "Label", "x", "split"]), sound_rows(TEXTS, st.sampled_from(["", "train", "unassigned"]))),
    st.tuples(st.just(["training", "first.jpg", "cat"]), sound_rows()),
).map(csv_text)
CSV = st.one_of(
    st.tuples(st.just(["uri", "label"]), st.lists(st.tuples(URIS, LABELS), min_size=2, max_size=8)),
    st.tuples(HEADERS, st.lists(st.lists(CELLS, max_size=5), max_size=8)),
    st.tuples(HEADERS, st.lists(st.tuples(SPLITS, URIS, LABELS), max_size=8)),
).map(csv_text)
ROWS = st.one_of(
    st.fixed_dictionaries(
        {"uri": URIS, "label": st.sampled_from(["cat", "dog"])}, optional={"split": SPLITS, "x": VALUES}
    ),
    st.fixed_dictionaries(
        {"imageGcsUri": URIS, "classificationAnnotation": st.fixed_dictionaries({"displayName": TEXTS})},
        optional={
            "dataItemResourceLabels": st.dictionaries(
                st.sampled_from(["aiplatform.googleapis.com/ml_use", "x"]), SPLITS
            )
        },
    ),
    st.dictionaries(
        st.sampled_from(
            ["uri", "label", "split", "imageGcsUri", "classificationAnnotation", "dataItemResourceLabels", "x", ""]
        ),
        VALUES,
    ),
    VALUES,
)


def json_text(rows):
    return "\n".join(json.dumps(row) for row in rows)


SOUND_JSONL = sound_rows(st.dictionaries(st.sampled_from("xyz"), VALUES)).map(
    lambda rows: json_text({"uri": uri, "label": label, **further} for uri, label, further in rows)
)
JSONL = st.lists(ROWS, max_size=8).map(json_text)
RAW = st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))


@st.composite
def manifests(draw):
    """A suffix and content that is sound, nearly so, or anything."""
    suffix, kind = draw(st.sampled_from(["csv", "jsonl"])), draw(st.integers(0, 5))
    if kind == 0:
        return suffix, draw(RAW)
    sound, any_text = (SOUND_CSV, CSV) if suffix == "csv" else (SOUND_JSONL, JSONL)
    text = draw(sound if kind < 4 else any_text)
    content = text.encode("utf-8", "surrogatepass")
    return suffix, draw(mutations(content, [content])) if kind == 3 and content else content


def read_images(uri):
    try:
        images, layout = open_manifest(uri)
    except GraftError as error:
        assert "\n" not in str(error)
        return []
    assert {len(item.columns) for item in layout.images} == {len(layout.columns)}
    assert len(set(images.paths())) == len(layout.images)
    contents = []
    for path in images.paths():
        path.encode()
        if not path.startswith(("gs:", "gcs:", "s3", "http")):  # nothing is asked for over the net
            assert isinstance(images.version(path), str)
            with contextlib.suppress(UnreadableFileError):
                contents.append(images.read(path))
    return contents


@settings(REPEATED, max_examples=150)
@given(manifest=manifests())
def test_manifests(manifest):
    suffix, content = manifest
    with watched() as folder:
        content = content.replace(b"{root}", str(folder.parent).encode())
        (folder / "a.jpg").write_bytes(JPEG)
        (folder / f"m.{suffix}").write_bytes(content)
        assert set(read_images(str(folder / f"m.{suffix}"))) <= {JPEG, CANARY, content}


@settings(REPEATED, max_examples=150)
@given(manifest=manifests())
def test_remote_manifests_never_lead_to_local_files(manifest):
    suffix, content = manifest
    remote = fsspec.filesystem("memory")
    with watched() as folder:
        content = content.replace(b"{root}", str(folder.parent).encode())
        place = f"memory://fuzz-{next(NUMBERS)}"
        remote.pipe({f"{place}/a.jpg": JPEG, f"{place}/m.{suffix}": content})
        try:
            assert set(read_images(f"{place}/m.{suffix}")) <= {JPEG, content}
        finally:
            remote.rm(place, recursive=True)


def test_many_of_the_drawn_manifests_are_sound():
    accepted = []

    @settings(REPEATED, max_examples=100)
    @given(manifest=manifests())
    def count(manifest):
        with watched() as folder, contextlib.suppress(GraftError):
            path = folder / f"m.{manifest[0]}"
            path.write_bytes(manifest[1])
            accepted.append(open_manifest(str(path)))

    count()
    assert len(accepted) >= 10
