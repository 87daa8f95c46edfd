"""Random sequences of what people do with a model's versions, while every call of a target's API may go wrong.

A scene is a target's API, played by a server, and a fault at one of its requests. After every event the traffic is what it may be, and
the next deployment that nothing disturbs finishes the job.
"""

import abc
import dataclasses
import hashlib
import json
import random
import time
from pathlib import Path

from exports import write_evaluation
from support import ROOT

from graft.components.common.artifacts.checksums import write_sums
from graft.components.common.artifacts.export import Export
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.services import api_client
from graft.components.deploy import deploy as steps
from graft.components.deploy.targets.target import Target

KINDS = ("error", "refused", "time-out", "lost", "killed before", "killed after")
NAME = "pets"
BUCKET = "gs://bucket/store"
_SAVED_MODEL = f"serving/{NAME}/1"
_RECORD = json.loads((ROOT / "tests/fixtures/schema_2/export.json").read_text())


class KilledError(BaseException):
    """The client's process ends: nothing of Graft's may catch it."""


class Faults:
    """Which request goes wrong, and how. A server asks `kind_of_next` at each request, before it has an effect.

    Its answer says what the server does: an `error` is a 503 and no effect; `refused` closes the connection and has no effect; a
    `time-out` answers only after `TOO_LATE` seconds, with the effect; `lost` has the effect and closes the connection. `killed before` and
    `killed after` are `refused` and `lost`, of which the client learns no more.
    """

    TOO_LATE = 0.25
    _LIMIT = 0.1

    def __init__(self):
        self._countdown, self._kind, self.killed, self.struck = 0, "", False, False

    def arm(self, kind, request):
        """Lets the request of this number, from 1, go wrong."""
        self._countdown, self._kind, self.killed, self.struck = request, kind, False, False

    def disarm(self):
        self._countdown, self.killed = 0, False

    def kind_of_next(self):
        """Returns how this request goes wrong; empty if it doesn't."""
        self._countdown -= 1
        if self._countdown:
            return ""
        self.struck = True
        self.killed = self._kind.startswith("killed")
        return {"killed before": "refused", "killed after": "lost"}.get(self._kind, self._kind)

    def pause(self, seconds):
        """What `time.sleep` is meanwhile: a client that was killed never wakes up."""
        if self.killed:
            raise KilledError


class Scene(abc.ABC):
    """A target's API.

    Attributes:
        REACH: How many requests a deployment makes at most, any of which may go wrong.
        faults: What its server asks at each request.
        wrong: The versions that answer otherwise than when they were exported, once they are up.
        splits: Whether it can split traffic.
    """

    splits = True
    REACH = 15

    def __init__(self):
        self.faults, self.wrong = Faults(), set()

    @abc.abstractmethod
    def open(self) -> Target:
        """Returns the target as a new process sees it."""

    @abc.abstractmethod
    def traffic(self) -> dict[str, int]:
        """Returns what share of the traffic each version really gets now, which `look` may not know yet; those that get none left out."""

    def served(self) -> set[str]:
        """Returns the versions that had traffic since this was asked last, however shortly, where the place knows."""
        return set(self.traffic())

    @abc.abstractmethod
    def settle(self) -> None:
        """Lets the place finish what it was told to do."""


def make_servable_export(folder, seed):
    """Writes an Export of no model that a server can be given, and returns its version."""
    formats = {_SAVED_MODEL if path == "saved_model" else path: told for path, told in _RECORD["formats"].items()}
    files = {
        "model.keras": random.Random(seed).randbytes(100),
        f"{_SAVED_MODEL}/saved_model.pb": random.Random(seed).randbytes(200),
        f"{_SAVED_MODEL}/variables/variables.index": b"index",
        Export.REQUEST: json.dumps({"instances": [{"image_bytes": {"b64": "AAAA"}}]}).encode(),
        Export.RESPONSE: json.dumps(answer_of(seed)).encode(),
        Export.FILE: json.dumps(_RECORD | {"formats": formats}).encode(),
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / Export.LINEAGE).mkdir()
    write_evaluation(folder / Export.LINEAGE, hashlib.sha256(files["model.keras"]).hexdigest(), 0.9)
    return write_sums(folder)


def answer_of(seed):
    """Returns what the version that was made from a seed answers."""
    share = 0.1 + seed / 20
    return {"predictions": [{"label": "cats", "class": 0, "probabilities": [share, 1 - share]}]}


@dataclasses.dataclass
class Store:
    """A registry with published versions, none of which was promoted.

    Attributes:
        registry: The registry, in a folder.
        versions: The versions; what each answers is `answer_of` its place here.
    """

    registry: Registry
    versions: list[str]

    def forget(self):
        """Makes it as if no version had ever been promoted."""
        (Path(self.registry.folder) / "latest.json").unlink(missing_ok=True)

    def answer(self, version):
        """Returns the body that a version's server answers."""
        return json.dumps(answer_of(self.versions.index(version))).encode()


def make_store(folder, versions=6):
    """Publishes versions."""
    registry = Registry(str(folder / "store"), NAME)
    made = [make_servable_export(folder / f"export-{seed}", seed) for seed in range(versions)]
    for seed in range(versions):
        registry.publish(folder / f"export-{seed}")
    return Store(registry, made)


def read_from_bucket(monkeypatch, store):
    """Has targets hear that the versions, which lie in a folder, are in a bucket: only the target's server would read them there."""
    real = steps.read_candidate

    def read(registry, version, counter=0):
        candidate = real(registry, version, counter)
        return dataclasses.replace(candidate, uri=f"{BUCKET}/models/{NAME}/versions/{version}")

    monkeypatch.setattr(steps, "read_candidate", read)


class Sequence:
    """One sequence of events."""

    def __init__(self, scene, store, seed, monkeypatch):
        self.scene, self.store, self.registry = scene, store, store.registry
        self.chance, self.monkeypatch, self.log = random.Random(seed), monkeypatch, []
        monkeypatch.setattr(time, "sleep", scene.faults.pause)

    def run(self, events):
        """Plays events, and in the end deploys without a fault."""
        self.store.forget()
        self.scene.wrong = set(self.store.versions[-2:])
        self.registry.promote(self.store.versions[0])
        for _ in range(events):
            self.play(
                self.chance.choice((self.deploy, self.deploy, self.promote, self.roll_back, self.choose, self.withdraw))
            )
        self.finish(100)

    def play(self, event):
        before, latest = self.scene.traffic(), self.registry.latest()
        event()
        # What was begun may still be under way when the next event comes, but not what somebody withdrew in between.
        if event in (self.choose, self.withdraw) or self.chance.random() < 0.5:
            self.scene.settle()
        self.check(before, latest)

    def check(self, before, latest):
        now, after = self.registry.latest(), self.scene.traffic()
        told = "\n".join([*self.log, f"traffic: {shown(before)} -> {shown(after)}", f"latest: {now.version[:6]}"])
        promoted, served = {entry.about.version for entry in now.history}, self.scene.served() | set(after)
        assert served <= promoted, f"a version gets traffic that was never promoted:\n{told}"
        assert not served & self.scene.wrong, f"a version gets traffic that answers otherwise:\n{told}"
        withdrawn = set(latest.withdrawn) & set(now.withdrawn)
        assert not (set(after) - set(before)) & withdrawn, f"a version gets traffic that was withdrawn:\n{told}"
        assert sum(after.values()) == (100 if before or after else 0), f"traffic is lost:\n{told}"

    def choose(self):
        """A person makes some version the latest."""
        latest = self.registry.latest()
        choices = [version for version in self.store.versions if version not in latest.withdrawn]
        if choices:
            chosen = self.chance.choice(choices)
            self.log.append(f"registry promote {chosen[:6]}")
            self.registry.promote(chosen)

    def withdraw(self):
        latest = self.registry.latest()
        if len(latest.candidates) > 1:
            self.log.append(f"registry rollback of {latest.version[:6]}")
            self.registry.rollback("it is bad")
            if self.chance.random() < 0.5:
                self.finish(100)

    def deploy(self):
        canary = self.chance.choice((10, 60, 100))
        self.disturbed(
            f"deploy --canary {canary}", lambda target: steps.deploy(self.registry, target, self.share(canary))
        )
        if self.chance.random() < 0.5:
            self.scene.settle() if self.chance.random() < 0.5 else None
            self.finish(canary)

    def promote(self):
        self.disturbed("promote", lambda target: steps.promote(self.registry, target))

    def roll_back(self):
        self.disturbed("rollback", lambda target: steps.roll_back(self.registry, target))

    def disturbed(self, what, call):
        """Does something while one request may go wrong; it may fail, but in one sentence."""
        faults, kind = self.scene.faults, self.chance.choice(KINDS)
        # A client that is patient asks again; the other one gives up at the fault.
        patient = kind.startswith("killed") or self.chance.random() < 0.5
        self.limits(patient=patient, quick=kind == "time-out")
        faults.arm(kind, self.chance.randint(1, self.scene.REACH))
        try:
            result = call(self.scene.open())
            ended = f"{result.version[:6]} {result.percent}%"
        except GraftError as error:
            ended = str(error)
        except KilledError:
            ended = "killed"
        self.log.append(f"{what} ({kind}{'' if faults.struck else ', but not reached'}): {ended}")
        faults.disarm()

    def finish(self, canary):
        """Deploys without a fault: the latest version gets its share and no withdrawn one has any, unless it answers otherwise."""
        self.limits(patient=True, quick=False)
        self.scene.faults.disarm()
        before, latest = self.scene.traffic(), self.registry.latest()
        target = self.scene.open()
        try:
            result = steps.deploy(self.registry, target, self.share(canary))
        except GraftError as error:
            self.log.append(f"deploy --canary {canary}: {error}")
            assert latest.version in self.scene.wrong, "\n".join(self.log)
            self.scene.settle()
            self.check(before, latest)
            return
        self.log.append(f"deploy --canary {canary}: {result.version[:6]} {result.percent}%")
        self.scene.settle()
        after, told = self.scene.traffic(), "\n".join(self.log)
        assert after[latest.version] >= canary and result.percent == after[latest.version], f"{shown(after)}\n{told}"
        assert not set(after) & set(latest.withdrawn) and sum(after.values()) == 100, f"{shown(after)}\n{told}"
        assert latest.version not in self.scene.wrong and not set(after) & self.scene.wrong, told

    def share(self, canary):
        return canary if self.scene.splits else 100

    def limits(self, *, patient, quick):
        self.monkeypatch.setattr(api_client, "RETRY_SECONDS", 60.0 if patient else 0.0)
        self.monkeypatch.setattr(api_client, "REACH_SECONDS", 60.0 if patient else 0.0)
        self.monkeypatch.setattr(api_client, "SECONDS", Faults._LIMIT if quick else 30.0)


def shown(traffic):
    return {version[:6]: percent for version, percent in traffic.items()}
