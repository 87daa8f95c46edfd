"""`graft labels`: what a person says of a label is on the disk before it is answered, and nobody else is told or heard."""

import contextlib
import dataclasses
import http.client
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from labels import corrections, leave_list
from pictures import image_files, write_folder
from served import graft_at_a_port

from graft.components.common import storage
from graft.components.common.artifacts.lists.labels_list import ListedLabel, write_labels
from graft.components.common.errors import GraftError
from graft.components.ingest.config import IngestConfig
from graft.components.ingest.ingest import ingest
from graft.pipelines.cli.models.labels_command import labels
from graft.pipelines.local.labels.corrections_file import CorrectionsFile
from graft.pipelines.local.labels.listed_images import find_listed

FILES = image_files("cats", "dogs", images=15)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The store with the list, what is listed, and the source."""
    folder = tmp_path_factory.mktemp("labels")
    source = write_folder(folder / "source", FILES)
    return *leave_list(source, folder), source


@pytest.fixture(scope="module")
def server(left, tmp_path_factory):
    """`graft labels`, started in a folder of its own."""
    folder = tmp_path_factory.mktemp("here")
    with graft_at_a_port("labels", "pets", "--store", left[0], cwd=folder) as process:
        process.output = folder / "corrections.csv"
        yield process


def say(server, number, correction, **headers):
    body = {"number": number, "correction": correction}
    return requests.post(f"{server.url}decisions", json=body, headers=headers, timeout=60)


def test_pictures_are_those_of_the_list(server, left):
    for number, entry in enumerate(left[1]):
        answer = requests.get(f"{server.url}pictures/{number}", timeout=60)
        assert answer.content == FILES[entry.path] and answer.headers["Content-Type"] == "image/jpeg"
    assert requests.get(f"{server.url}pictures/4", timeout=60).status_code == 404
    assert server.line.startswith("4 labels of pets to look at: http://127.0.0.1:")


def test_each_decision_is_in_the_file_before_it_is_answered_and_is_taken_back_by_an_empty_one(server, left):
    paths = [entry.path for entry in left[1]]
    for said in ({0: "dogs"}, {0: "dogs", 1: "keep"}, {0: "dogs", 1: "keep", 2: "remove"}, {0: "dogs", 1: "cats"}):
        for number in range(3):
            assert say(server, number, said.get(number, "")).status_code == 200
        assert corrections(server.output) == {paths[number]: what for number, what in said.items()}
    page = requests.get(server.url, timeout=60)
    assert page.text.count('"correction": "dogs"') == 1 and page.headers["Referrer-Policy"] == "no-referrer"
    for number in range(2):
        say(server, number, "")
    assert corrections(server.output) == {}


def test_what_is_no_decision_is_refused(server):
    for number, what in ((9, "cats"), (-1, "cats"), (0, "cots")):
        answer = say(server, number, what)
        assert answer.status_code == 400 and answer.json()["error"].endswith(".")
    for body in (b"", b"[]", b'{"number": "0", "correction": "cats"}', b"x" * 10**5):
        assert requests.post(f"{server.url}decisions", data=body, timeout=60).status_code in (400, 413)


def test_who_does_not_know_the_token_and_other_sites_are_refused(server):
    site, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/([\w-]{32})/", server.url).groups()
    for path in ("/", "/pictures/0", f"/{token[:-1]}x/", f"/{token[:-1]}x/pictures/0", "/decisions"):
        assert requests.get(site + path, timeout=60).status_code == 404
    with contextlib.closing(http.client.HTTPConnection(site.removeprefix("http://"), timeout=60)) as asked:
        asked.request("OPTIONS", "*")
        assert asked.getresponse().status == 404
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        assert say(server, 0, "remove", **headers).status_code == 403
        assert requests.get(server.url, headers=headers, timeout=60).status_code == 403
    assert say(server, 0, "", Origin=site).status_code == 200


def test_what_was_said_survives_a_kill_and_holds_in_ingest(left, tmp_path):
    store, listed, source = left
    output = tmp_path / "said.csv"
    write_labels(output, [ListedLabel("f" * 64, "old.jpg", correction="keep")])
    command = ("labels", "pets", "--store", store, "--output", str(output))
    with graft_at_a_port(*command) as process:
        for number, what in enumerate(("remove", "keep", listed[2].suggested)):
            assert say(process, number, what).status_code == 200
        process.kill()
        process.wait(30)
    before = corrections(output)
    assert before.pop("old.jpg") == "keep" and list(before.values()) == ["remove", "keep", listed[2].suggested]
    with graft_at_a_port(*command) as process:
        assert requests.get(process.url, timeout=60).text.count('"correction": ""') == 1
        process.terminate()
        told = process.stdout.read()
    assert f"{output} has 4 corrections" in told and '"corrections": "' in told and process.returncode == 0
    config = IngestConfig(validation_fraction=0.4, leaks="keep", corrections=str(output))
    result = ingest(str(source), tmp_path / "dataset", config)
    assert result.corrected == 2


def test_the_newest_list_counts_and_a_store_without_one_says_so(left, tmp_path):
    store, listed, _ = left
    with pytest.raises(GraftError, match="No evaluation of 'cars' in .* has left a labels.csv: run the pipeline"):
        find_listed(store, "cars")
    lineage = tmp_path / "models/pets/versions" / ("a" * 64) / "lineage"
    for name in ("dataset.json", "index.parquet"):
        storage.put(next((tmp_path.__class__(store)).glob(f"models/pets/runs/*/{name}")), str(lineage / name))
    write_labels(lineage / "labels.csv", listed[:1])
    found = find_listed(str(tmp_path), "pets")
    assert found.entries == tuple(dataclasses.replace(entry, line=2) for entry in listed[:1])
    assert found.picture(found.entries[0]) == FILES[listed[0].path]
    with pytest.raises(GraftError, match="'new.jpg' is not in the dataset"):
        found.picture(ListedLabel("0" * 64, "new.jpg"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\r\n1,2\r\n", "is no list of labels"),
        ("sha256,path,split,label,suggested,confidence,correction,who\r\n", "has other columns than sha256,path,"),
        (
            "sha256,path,split,label,suggested,confidence,correction\r\n12,,,,,,cats\r\n",
            "line 2: `sha256` is no digest",
        ),
    ],
)
def test_what_is_no_list_of_corrections_is_not_overwritten(left, tmp_path, content, words):
    output = tmp_path / "said.csv"
    output.write_bytes(content.encode())
    with pytest.raises(GraftError, match=words):
        labels("pets", store=left[0], output=output)
    assert output.read_bytes() == content.encode()


def test_a_class_that_is_called_like_a_word_of_the_list_is_told_before_any_decision(left, tmp_path):
    run = next((tmp_path.__class__(left[0])).glob("models/pets/runs/run-1"))
    for name in ("labels.csv", "index.parquet"):
        storage.put(run / name, str(tmp_path / "models/pets/runs/run-1" / name))
    text = (run / "dataset.json").read_text().replace('"dogs"', '"keep"')
    storage.write(str(tmp_path / "models/pets/runs/run-1/dataset.json"), text.encode())
    with pytest.raises(GraftError, match="a class of the source is called keep, as what a `correction` may say"):
        find_listed(str(tmp_path), "pets")


def test_a_pipe_is_not_waited_for_and_a_link_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(GraftError, match=r"pipe\.csv is a pipe, a socket or a device: name a file\."):
        CorrectionsFile(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "shared.csv")
    CorrectionsFile(tmp_path / "link.csv").set(ListedLabel("", "a.jpg"), "keep")
    assert (tmp_path / "link.csv").is_symlink() and corrections(tmp_path / "shared.csv") == {"a.jpg": "keep"}


def test_what_a_spreadsheet_adds_meanwhile_stays(tmp_path):
    one, other = ListedLabel("a" * 64, "=cats/1.jpg", label="cats"), ListedLabel("b" * 64, "b.jpg", label="dogs")
    file = CorrectionsFile(tmp_path / "said.csv")
    file.set(one, "dogs")
    write_labels(file.path, [dataclasses.replace(entry, correction="keep") for entry in (one, other)])
    file.set(one, "remove")
    assert corrections(file.path) == {"=cats/1.jpg": "remove", "b.jpg": "keep"}


def test_two_that_write_one_file_lose_nothing(tmp_path):
    entries = [ListedLabel("", f"{number}.jpg") for number in range(60)]

    def decide(half):
        file = CorrectionsFile(tmp_path / "said.csv")
        for entry in half:
            file.set(entry, "keep")

    with ThreadPoolExecutor() as people:
        list(people.map(decide, [entries[::2], entries[1::2]]))
    assert corrections(tmp_path / "said.csv") == {entry.path: "keep" for entry in entries}


def test_what_a_spreadsheet_saved_with_semicolons_is_gone_on_with(tmp_path):
    file = CorrectionsFile(tmp_path / "said.csv")
    file.set(ListedLabel("", "a.jpg"), "keep")
    file.path.write_bytes(file.path.read_bytes().decode().replace(",", ";").encode("utf-16"))
    file.set(ListedLabel("", "b.jpg"), "remove")
    assert corrections(file.path) == {"a.jpg": "keep", "b.jpg": "remove"}
