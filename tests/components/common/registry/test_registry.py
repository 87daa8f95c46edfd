"""Versions are immutable and whole, and the latest is one that was compared with the one before it."""

import json
import multiprocessing
import os
import random
import sys
import time
from multiprocessing import forkserver
from pathlib import Path

import fsspec
import pytest
from exports import FILES, make_export, model_digest, publish_and_challenge
from signing_keys import turn_on

from graft.components.common.artifacts.checksums import SUMS, fetch_checked, parse_sums, read_sums, write_sums
from graft.components.common.errors import GraftError, NotPromotedError
from graft.components.common.registry.registry import Registry

KILLS, KILLS_IN_A_STORE, ROUNDS, PUBLISHERS = 50, 5, 4, 8


@pytest.fixture
def registry(tmp_path):
    return Registry(str(tmp_path / "store"), "pets")


@pytest.fixture
def publish(registry, tmp_path):
    """Publishes an Export made from a seed, and returns its version."""

    def work(seed, accuracy=0.9):
        make_export(tmp_path / f"export-{seed}", seed, accuracy)
        return registry.publish(tmp_path / f"export-{seed}")

    return work


@pytest.fixture
def three(registry, publish):
    """Three versions, each promoted by a pipeline that met the one before."""
    versions = [publish(seed, accuracy) for seed, accuracy in ((1, 0.9), (2, 0.95), (3, 0.93))]
    for version, met in zip(versions, (None, model_digest(1), model_digest(2)), strict=True):
        registry.challenge(version, met)
    return versions


def test_publishing_does_not_promote(registry, publish):
    version = publish(1)
    assert list(registry.versions.finished()) == [version] and registry.latest().version is None
    assert registry.verify() == []


def test_the_same_content_twice_is_one_version(registry, publish, tmp_path):
    version = publish(1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")}
    assert registry.publish(tmp_path / "export-1") == version
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")}


@pytest.mark.parametrize("path", [*FILES, SUMS])
def test_what_was_damaged_in_the_store_is_mended_by_publishing_it_again(registry, publish, tmp_path, path):
    version = publish(1)
    file = tmp_path / "store/models/pets/versions" / version / path
    file.write_bytes(b"damaged")
    assert len(registry.verify()) == 1
    assert registry.publish(tmp_path / "export-1") == version
    assert registry.verify() == []


@pytest.mark.parametrize("change", [{"schema_version": 99}, {"metrics": {}}])
def test_an_export_of_another_graft_is_not_published(registry, tmp_path, change):
    make_export(tmp_path / "export", 1)
    record = tmp_path / "export/lineage/evaluation.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    (tmp_path / "export" / SUMS).unlink()
    write_sums(tmp_path / "export")
    with pytest.raises(GraftError, match=r"export has no lineage/evaluation.json that this Graft reads"):
        registry.publish(tmp_path / "export")
    assert registry.versions.finished() == {}


def test_a_folder_named_like_the_registry_s_is_no_registry(tmp_path):
    make_export(tmp_path / "versions/mine", 1)
    assert "model.keras" in read_sums(str(tmp_path / "versions/mine"))


def test_an_export_that_was_changed_or_is_unfinished_is_not_published(registry, tmp_path):
    make_export(tmp_path / "changed", 1)
    (tmp_path / "changed/model.keras").write_bytes(b"another")
    with pytest.raises(GraftError, match=r"changed/model.keras doesn't match SHA256SUMS: export the model again"):
        registry.publish(tmp_path / "changed")
    make_export(tmp_path / "unfinished", 1)
    (tmp_path / "unfinished" / SUMS).unlink()
    with pytest.raises(GraftError, match="no SHA256SUMS: it is not an Export, or not a finished one"):
        registry.publish(tmp_path / "unfinished")
    assert registry.versions.finished() == {}


def test_a_challenger_is_promoted_if_it_met_the_latest(registry, publish, three):
    assert registry.latest().version == three[2]
    late = publish(4)
    for met, told in ((None, "no champion"), (model_digest(2), f"the model {model_digest(2)[:12]}")):
        with pytest.raises(NotPromotedError, match=f"compared with {told}, and the latest version is {three[2][:12]}"):
            registry.challenge(late, met)
    assert registry.latest().version == three[2]
    assert registry.challenge(late, model_digest(3)).version == late
    # Asked again, as a retry does, it is done already.
    assert registry.challenge(late, model_digest(3)).version == late
    assert [entry.by for entry in registry.latest().history] == ["pipeline"] * 4


@pytest.mark.parametrize(
    "met", [model_digest(2), model_digest(3)]
)  # of a retry of what made the latest, of a later run
def test_the_same_model_under_other_records_is_promoted_in_its_turn(registry, three, tmp_path, met):
    make_export(tmp_path / "again", 3, accuracy=0.94)
    again = registry.publish(tmp_path / "again")
    registry.hold("audit")
    with pytest.raises(NotPromotedError, match="on hold"):
        registry.challenge(again, met)
    registry.release()
    assert registry.challenge(again, met).version == again
    assert registry.rollback("bad").version == three[1]  # not to the same model


def test_a_rollback_withdraws_for_good(registry, publish, three):
    assert registry.rollback("sees cats everywhere").version == three[1]
    with pytest.raises(NotPromotedError, match="it, or a version with the same model, was withdrawn"):
        registry.challenge(three[2], model_digest(2))
    # A version with other records and the same model is the same content.
    assert registry.latest().withdrawn[three[2]].reason == "sees cats everywhere"
    assert registry.rollback("so does this").version == three[0]
    with pytest.raises(GraftError, match="no earlier version to go back to"):
        registry.rollback("and this")
    with pytest.raises(GraftError, match="was withdrawn: add --withdrawn"):
        registry.promote(three[2])
    assert registry.promote(three[2], withdrawn=True).version == three[2]
    assert set(registry.latest().withdrawn) == {three[1]}


def test_a_rollback_to_a_named_version_passes_over_what_was_pruned(registry, publish, three):
    never = publish(5)
    assert registry.rollback("to one that a person knows", never[:10]).version == never
    registry.versions.remove(three[1])
    assert registry.rollback("another").version == three[0]


def test_nothing_to_roll_back(registry):
    registry.hold("audit")  # so that the store is there
    with pytest.raises(GraftError, match="pets has no latest version"):
        registry.rollback("why not")


def test_of_two_rollbacks_at_once_one_withdraws_one_version(registry, three, monkeypatch):
    listed = registry.versions.finished

    def while_another_rolls_back():
        monkeypatch.setattr(registry.versions, "finished", listed)
        registry.rollback("worse")
        return listed()

    monkeypatch.setattr(registry.versions, "finished", while_another_rolls_back)
    with pytest.raises(GraftError, match="a new latest version"):
        registry.rollback("bad")
    assert set(registry.latest().withdrawn) == {three[2]} and registry.latest().version == three[1]


def test_the_same_model_under_other_records_stays_withdrawn(registry, publish, three, tmp_path):
    registry.rollback("bad")
    folder = tmp_path / "again"
    make_export(folder, 3, accuracy=0.99)
    again = registry.publish(folder)
    assert again != three[2]
    with pytest.raises(NotPromotedError, match="withdrawn"):
        registry.challenge(again, model_digest(2))


def test_a_hold_keeps_the_latest_and_a_rollback_breaks_it(registry, publish, three):
    registry.hold("audit")
    late = publish(4)
    with pytest.raises(NotPromotedError, match=r"pets is on hold \(audit\)"):
        registry.challenge(late, model_digest(3))
    with pytest.raises(GraftError, match="on hold"):
        registry.promote(late)
    assert registry.rollback("bad").version == three[1]
    assert registry.latest().hold.reason == "audit"
    registry.release()
    assert registry.promote(late).version == late


def test_the_best_is_the_most_accurate_that_was_not_withdrawn(registry, publish, three):
    assert registry.best().version == three[1]
    publish(6, accuracy=0.99)  # never promoted
    assert registry.best().version == three[1]
    registry.rollback("bad")
    registry.rollback("bad")
    assert registry.best().version == three[0]


def test_pruning_leaves_the_newest_the_latest_and_the_one_before(registry, publish, three):
    late = [publish(seed) for seed in (7, 8)]
    assert registry.prune(1, dry_run=True) == registry.prune(1, dry_run=True) == [three[0], late[0]]
    assert len(registry.versions.finished()) == 5
    assert registry.prune(1) == [three[0], late[0]]
    assert set(registry.versions.finished()) == {*three[1:], late[1]} and registry.verify() == []


@pytest.mark.parametrize("name", ["model.keras", ".model.keras.0a.part"])
def test_what_a_killed_publisher_left_is_cleared_a_day_later(registry, three, monkeypatch, tmp_path, name):
    left = tmp_path / "store/models/pets/versions" / ("a" * 64)
    left.mkdir()
    (left / name).write_bytes(b"half")
    assert registry.verify() == [] and registry.prune(10) == []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 24 * 60 * 60)
    assert registry.prune(10) == ["a" * 64] and not left.exists()


@pytest.mark.parametrize("path", [*FILES, "lineage/evaluation.json", SUMS])
def test_a_flipped_byte_is_found_by_verify_and_before_use(registry, publish, tmp_path, path):
    version = publish(1)
    file = tmp_path / "store/models/pets/versions" / version / path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    (problem,) = registry.verify()
    assert str(file.parent if path == SUMS else file) in problem
    with pytest.raises(GraftError):
        uri = registry.versions.uri(version)
        fetch_checked(uri, path, read_sums(uri), tmp_path)


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"other")], ids=["missing", "changed"])
def test_nobody_makes_a_damaged_version_the_latest(registry, three, tmp_path, damage):
    versions = tmp_path / "store/models/pets/versions"
    (versions / three[1] / ".DS_Store").write_text("no part of the version")
    damage(versions / three[0] / "model.keras")
    said = rf"{three[0]} is damaged: publish its Export again, or choose another one\. .*/model\.keras "
    with pytest.raises(GraftError, match=said):
        registry.promote(three[0])
    registry.rollback("bad")
    with pytest.raises(GraftError, match=said):
        registry.rollback("bad")
    assert registry.latest().version == three[1] and list(registry.latest().withdrawn) == [three[2]]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_found_and_never_taken_for_one(registry, publish, tmp_path, make):
    uri = registry.versions.uri(publish(1))
    file = Path(uri, "lineage/evaluation.json")
    file.unlink()
    make(file)
    (problem,) = registry.verify()
    assert str(file) in problem
    with pytest.raises(GraftError, match=r"evaluation\.json"):
        fetch_checked(uri, "lineage/evaluation.json", read_sums(uri), tmp_path)


def test_what_is_missing_or_strange_is_found(registry, publish, three, tmp_path):
    folder = tmp_path / "store/models/pets/versions" / three[2]
    (folder / "model.keras").unlink()
    (folder / "strange.txt").write_text("hello")
    missing, strange = registry.verify()
    assert "model.keras doesn't exist" in missing and "strange.txt is not in SHA256SUMS" in strange
    (folder / SUMS).unlink()
    (problem,) = registry.verify()
    assert f"latest.json names {three[2]}, which is missing or unfinished" in problem


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda latest: latest | {"version": 3}, r"is damaged \(version: .*restore an earlier generation"),
        (lambda latest: latest | {"version": "a" * 64}, r"is damaged \(version is not the last one of history"),
        (lambda latest: {}, r"is damaged \(it has no schema_version"),
        (lambda latest: [], "is damaged"),
        (lambda latest: {"schema_version": 99, "champion": 1}, r"schema version 99, .* use the Graft that wrote it"),
    ],
)
def test_a_damaged_latest_is_named_and_stays(registry, three, tmp_path, change, told):
    file = tmp_path / "store/models/pets/latest.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    before = file.read_bytes()
    for use in (registry.latest, registry.release, lambda: registry.challenge(three[0], None)):
        with pytest.raises(GraftError, match=rf"latest\.json .*{told}"):
            use()
    assert "latest.json" in registry.verify()[0] and file.read_bytes() == before


@pytest.mark.parametrize("path", ["../x", "/etc/x", "//etc/x", "a/../../x", "a\\b"])
def test_checksums_that_lead_out_of_the_version_are_refused(path):
    with pytest.raises(GraftError, match="SHA256SUMS of x is damaged"):
        parse_sums(f"{'0' * 64}  {path}\n".encode(), "x")


@pytest.fixture(params=["local", "gs", "local, signed"])
def store(request, tmp_path, monkeypatch):
    """A store's path or URI."""
    if request.param == "local, signed":
        turn_on(tmp_path, monkeypatch)
    return request.getfixturevalue("bucket") if request.param == "gs" else str(tmp_path / "store")


@pytest.fixture(scope="module")
def forked():
    """Where processes are forked that have imported all that publishers need, the tests' own modules too."""
    context = multiprocessing.get_context("forkserver")
    needed = ["pyarrow.parquet", "exports", "gcsfs", "google.cloud.storage"]
    context.set_forkserver_preload(needed)
    with pytest.MonkeyPatch.context() as patch:  # it passes over without a word what lies in none of its folders
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


@pytest.fixture
def publisher(forked):
    """Makes a process that publishes an Export and challenges a model; all that it needs was imported before."""
    return lambda *args, **more: forked.Process(
        target=publish_and_challenge, args=(dict(os.environ), *args), kwargs=more
    )


def ended(process):
    """Returns how a process ended."""
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_torn(store, forked, publisher, tmp_path):
    """In several stores, since all that is in one is verified after each kill."""
    chance, calls = random.Random(0), forked.Value("Q", lock=False)
    exports = [tmp_path / f"export-{number}" for number in range(KILLS)]
    for number, export in enumerate(exports):
        make_export(export, number)
    counted = []
    for export in exports[:2]:  # the first one makes what later ones find, and finds less
        calls.value, registry = 0, Registry(f"{store}/0", "pets")
        assert ended(publisher(f"{store}/0", export, registry.latest().model_digest, calls)) == 0
        counted.append(calls.value)
    for number, export in enumerate(exports):
        place = f"{store}/{number // KILLS_IN_A_STORE}"
        registry, calls.value = Registry(place, "pets"), 0
        last = chance.randint(1, min(counted) * 9 // 10)
        # The first two were published, so that less is called for them.
        assert ended(publisher(place, export, registry.latest().model_digest, calls, last)) == -9 or number < 2
        assert registry.verify() == []
    # Whatever was left half done is done when the step is tried again.
    for export in exports[-3:]:
        ended(publisher(place, export, registry.latest().model_digest))
    assert registry.verify() == [] and registry.latest().model_digest == model_digest(KILLS - 1)


@pytest.mark.slow
def test_of_many_publishers_at_once_all_land_and_one_is_the_latest(store, forked, publisher, tmp_path):
    registry, expected, together = Registry(store, "pets"), set(), forked.Barrier(PUBLISHERS)
    for turn in range(ROUNDS):
        before, running = registry.latest(), []
        for number in range(PUBLISHERS):
            export = tmp_path / f"export-{turn}-{number}"
            expected.add(make_export(export, 1000 * turn + number))
            running.append(publisher(store, export, before.model_digest, together=together))
        for process in running:
            process.start()
        for process in running:
            process.join()
        assert sorted(process.exitcode for process in running) == [0] + [1] * (PUBLISHERS - 1)
        after = registry.latest()
        assert after.history[:-1] == before.history and after.history[-1].about.version == after.version
    assert set(registry.versions.finished()) == expected and registry.verify() == []


@pytest.mark.slow
def test_versions_in_buckets(any_bucket, tmp_path, monkeypatch):
    turn_on(tmp_path, monkeypatch)
    registry = Registry(any_bucket, "pets")
    for seed in (1, 2):
        make_export(tmp_path / str(seed), seed)
        version = registry.publish(tmp_path / str(seed))
        registry.challenge(version, registry.latest().model_digest)
    assert len(registry.versions.finished()) == 2 and registry.verify() == []
    fs = fsspec.filesystem(any_bucket.partition("://")[0])
    fs.pipe_file(f"{registry.versions.uri(version)}/model.keras", b"another")
    (problem,) = registry.verify()
    assert "model.keras was changed" in problem
    registry.rollback("bad")
    registry.versions.remove(version)
    assert len(registry.versions.finished()) == 1 and registry.verify() == []
