"""prune, promote and publish at the same time: nothing is lost, and the latest version is always there."""

import itertools
import os
import random
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from exports import make_export
from signing_keys import turn_on

from graft.components.common.artifacts.checksums import SUMS
from graft.components.common.artifacts.latest import Latest, Removal
from graft.components.common.errors import GraftError
from graft.components.common.registry import removals
from graft.components.common.registry.registry import Registry

TRIALS, SIGNED_TRIALS, LATEST_START = 60, 15, 0.004
also_signed = pytest.mark.parametrize("trials", [TRIALS, SIGNED_TRIALS], ids=["unsigned", "signed"], indirect=True)


@pytest.fixture
def registry(tmp_path):
    return Registry(str(tmp_path / "store"), "pets")


@pytest.fixture
def trials(request, tmp_path, monkeypatch):
    """How many trials there are; fewer where what happens is signed."""
    if request.param == SIGNED_TRIALS:
        turn_on(tmp_path, monkeypatch)
    return request.param


@pytest.fixture
def publish(registry, tmp_path):
    """Publishes an Export made from a seed as if a minute after the one of the seed before, and returns its version."""

    def work(seed, by=registry):
        export = tmp_path / f"export-{seed}"
        if not export.exists():
            make_export(export, seed)
        version = by.publish(export)
        os.utime(tmp_path / "store/models/pets/versions" / version / SUMS, (60 * seed, 60 * seed))
        return version

    return work


def at_once(chance, *works):
    """Does works at the same time, all but the last after a moment; returns what each returned, or the GraftError that it raised."""
    results, start = [None] * len(works), threading.Barrier(len(works))
    moments = [*(chance.uniform(0, LATEST_START) for _ in works[1:]), 0]

    def run(number):
        start.wait()
        time.sleep(moments[number])
        try:
            results[number] = works[number]()
        except GraftError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def another(registry):
    return Registry(registry.folder.removesuffix("/models/pets"), "pets")


def mark(registry, version, age):
    """Leaves what a prune leaves that was killed so long ago, before it removed the first file."""
    removal = Removal(token="killed", time=datetime.now(UTC) - age)
    registry._file.change(lambda latest: latest.model_copy(update={"removing": {version: removal}}))


@also_signed
def test_prune_against_promote(registry, publish, tmp_path, trials):
    chance, versions, promotions = random.Random(0), [publish(seed) for seed in (1, 2, 3)], 0
    for trial in itertools.count():
        if trial >= trials and 0 < promotions < trial:  # both came first now and then
            break
        assert trial < 20 * TRIALS, "one of both always came first"
        (tmp_path / "store/models/pets/latest.json").unlink(missing_ok=True)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)  # or it would be noticed
        for version in versions[1:]:
            registry.promote(version)
        promoted, gone = at_once(chance, lambda: registry.promote(versions[0]), lambda: another(registry).prune(1))
        latest, there = registry.latest(), set(registry.versions.finished())
        assert latest.version in there and not latest.removing
        if isinstance(promoted, Latest):
            # Where it came well before, the one before the latest is another one.
            assert gone in ([], versions[1:2]) and latest.version == versions[0]
        else:
            assert gone == versions[:1] and latest.version == versions[2]
            assert isinstance(promoted, GraftError)
        promotions += isinstance(promoted, Latest)
        for version in gone:
            publish(1 + versions.index(version))
    assert registry.verify() == []


@also_signed
def test_publish_against_prune(registry, publish, tmp_path, trials):
    chance, versions = random.Random(0), [publish(seed) for seed in (1, 2, 3)]
    for version in versions[1:]:
        registry.promote(version)
    kept = 0
    for trial in range(trials // 3):
        publish(1)
        if trial % 2:  # then it is mended meanwhile
            (tmp_path / "store/models/pets/versions" / versions[0] / "model.keras").write_bytes(b"damaged")
        published, gone = at_once(
            chance, lambda: registry.publish(tmp_path / "export-1"), lambda: another(registry).prune(1)
        )
        assert published == versions[0] and gone == versions[:1]
        assert registry.verify() == [] and not registry.latest().removing, "it is there whole or not at all"
        kept += versions[0] in registry.versions.finished()
    assert kept > 0, "what was published after it was removed is there"


@also_signed
def test_publish_against_publish(registry, tmp_path, trials):
    chance, expected = random.Random(0), set()

    def publish_and_challenge(by, seed, met):
        return by.challenge(by.publish(tmp_path / f"export-{seed}"), met)

    for trial in range(trials):
        seeds = (2 * trial, 2 * trial + trial % 2)  # the same Export twice, and two
        expected |= {make_export(tmp_path / f"export-{seed}", seed) for seed in {*seeds}}
        met = registry.latest().model_digest
        results = at_once(chance, *(partial(publish_and_challenge, another(registry), seed, met) for seed in seeds))
        assert sum(isinstance(result, Latest) for result in results) == 2 - trial % 2
    assert registry.verify() == [] and set(registry.versions.finished()) == expected


def test_two_prunes_at_once_remove_each_version_once(registry, publish):
    chance, stays = random.Random(0), publish(9)
    registry.promote(stays)
    for _ in range(10):
        versions = {publish(seed) for seed in range(1, 5)}
        first, second = at_once(chance, lambda: registry.prune(1), lambda: another(registry).prune(1))
        assert {*first, *second} == versions and list(registry.versions.finished()) == [stays]
        assert not registry.latest().removing


def test_what_is_being_removed_is_passed_over(registry, publish):
    versions = [publish(seed) for seed in (1, 2, 3)]
    for version in versions:
        registry.promote(version)
    mark(registry, versions[1], timedelta())
    for use in (
        lambda: registry.promote(versions[1]),
        lambda: registry.challenge(versions[1], registry.latest().model_digest),
        lambda: registry.rollback("bad", versions[1]),
    ):
        with pytest.raises(
            GraftError, match=r"is being removed since .*: name another version, or publish its Export again"
        ):
            use()
    assert registry.best().version in (versions[0], versions[2])
    assert registry.rollback("bad").version == versions[0]
    assert registry.prune(1) == [], "another prune is about it"


@pytest.mark.parametrize("left", ["all", "half", "nothing"])
def test_a_killed_prune_is_ended_by_the_next_one(registry, publish, tmp_path, left):
    version, latest = publish(1), publish(2)
    registry.promote(latest)
    mark(registry, version, timedelta(minutes=11))
    folder = tmp_path / "store/models/pets/versions" / version
    if left == "half":
        (folder / SUMS).unlink()
    elif left == "nothing":
        registry.versions.remove(version)
    assert registry.prune(10, dry_run=True) == registry.prune(10) == [version]
    assert not folder.exists() and not registry.latest().removing
    assert registry.verify() == []


def test_a_killed_prune_s_version_is_published_again(registry, publish, tmp_path):
    version = publish(1)
    mark(registry, version, timedelta(minutes=11))
    (tmp_path / "store/models/pets/versions" / version / SUMS).unlink()
    assert publish(1) == version
    assert registry.promote(version).version == version and registry.verify() == []


def test_a_mark_from_tomorrow_holds_no_publisher_for_ever(registry, publish, monkeypatch):
    version = publish(1)
    mark(registry, version, timedelta(days=-1))
    monkeypatch.setattr(removals, "LONGEST", timedelta(seconds=0.2))
    assert publish(1) == version
    assert not registry.latest().removing and registry.verify() == []


def test_a_prune_that_slept_too_long_says_so(registry, publish, monkeypatch):
    version, latest = publish(1), publish(2)
    registry.promote(latest)
    remove = registry.versions.remove

    def slowly(removed):
        remove(removed)
        mark(registry, removed, timedelta())  # as another one does ten minutes later

    monkeypatch.setattr(registry.versions, "remove", slowly)
    with pytest.raises(GraftError, match=f"Removing {version} took longer than 0:10:00, and somebody else went on"):
        registry.prune(1)


@pytest.mark.parametrize("name", ["../../../../mine", "", "..", "0" * 63])
def test_nothing_is_removed_that_is_no_version(registry, publish, tmp_path, name):
    version = publish(1)
    registry.promote(version)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    removal = Removal(token="t", time=datetime.now(UTC) - timedelta(days=1))
    forged = registry.latest().model_copy(update={"removing": {name: removal}})
    (tmp_path / "store/models/pets/latest.json").write_text(forged.text())
    with pytest.raises(GraftError, match="can't be the name of a version"):
        registry.prune(1)
    assert (tmp_path / "mine/file").read_text() == "x" and version in registry.versions.finished()
