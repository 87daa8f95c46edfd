"""Who can write a store but has no key can put no model and no `latest.json` into it that a loader with a key takes."""

import itertools
import json
import os
import random
import shutil
import subprocess
import threading

import pytest
from exports import make_export, model_digest
from signing_keys import make_pair, rewrite, turn_on
from support import ROOT, skip

from graft.components.common import storage
from graft.components.common.artifacts.checksums import SUMS, read_sums, write_sums
from graft.components.common.artifacts.model_source import open_model
from graft.components.common.artifacts.servable import open_servable
from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY, signer, verifying
from graft.components.common.artifacts.signing.signed_sums import signature_name
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.deploy.candidate import read_candidate

NOT_SIGNED = f"is not signed by a key of {VERIFY_KEY}"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """What this machine has seen lies here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """Turns signing on, as where versions are exported; returns the file of the public key."""
    return turn_on(tmp_path, monkeypatch)[1]


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def opened(store, name="pets"):
    return Registry(str(store), name)


def publish(store, tmp_path, seed, name="pets"):
    export = tmp_path / f"export-{seed}"
    if not export.exists():
        make_export(export, seed)
        (export / SUMS).unlink()
        (export / "lineage/training.json").write_text("{}")
        write_sums(export)
    return opened(store, name).publish(export)


@pytest.fixture
def three(store, tmp_path, keys):
    """Three versions, each promoted by a pipeline that met the one before."""
    versions = [publish(store, tmp_path, seed) for seed in (1, 2, 3)]
    for version, met in zip(versions, (None, model_digest(1), model_digest(2)), strict=True):
        opened(store).challenge(version, met)
    return versions


@pytest.fixture
def loads_only(monkeypatch, three):
    """From now on there is no private key here."""
    monkeypatch.delenv(SIGNING_KEY)


def latest_of(store, name="pets"):
    return store / "models" / name / "latest.json"


def folder_of(store, version, name="pets"):
    return store / "models" / name / "versions" / version


def forge_version(store, original, monkeypatch):
    """Makes another model of a version, with checksums and a name that fit it, and the signatures that the attacker finds there."""
    folder = folder_of(store, original)
    forged = folder.with_name("forged")
    shutil.copytree(folder, forged)
    (forged / "model.keras").write_bytes(b"evil")
    (forged / "serving/pets/1/saved_model.pb").write_bytes(b"evil")
    record = forged / "lineage/evaluation.json"
    digest = storage.sha256_file(forged / "model.keras")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"model_digest": digest}))
    (forged / SUMS).unlink()
    with monkeypatch.context() as attacker:
        attacker.delenv(SIGNING_KEY)
        version = write_sums(forged)
    forged.rename(folder.with_name(version))
    return version


def loaders(store, version):
    """Returns every way to load a version, by name."""

    def entered(manager):
        with manager:
            pass

    uri = str(folder_of(store, version))
    return {
        "serve": lambda: entered(open_servable(uri)),
        "predict, evaluate's champion": lambda: entered(open_model(uri)),
        "sums": lambda: read_sums(uri),
        "deploy": lambda: read_candidate(opened(store), version),
        "promote": lambda: opened(store).promote(version),
        "challenge": lambda: opened(store).challenge(version, model_digest(3)),
        "rollback": lambda: opened(store).rollback("bad", version),
        "about": lambda: opened(store).versions.about(version),
    }


def refused(load):
    with pytest.raises(GraftError) as error:
        load()
    return str(error.value)


def test_what_is_exported_published_and_promoted_is_signed(store, three, loads_only):
    assert opened(store).verify() == []
    latest = opened(store).latest()
    assert (latest.version, latest.counter) == (three[2], 3)
    for version in three:
        assert opened(store).versions.about(version).version == version
        assert len(list(folder_of(store, version).glob("SHA256SUMS.*.sig"))) == 1


def test_every_change_counts(store, tmp_path, three):
    registry = opened(store)
    counters = [registry.hold("audit").counter, registry.release().counter, registry.rollback("bad").counter]
    counters += [registry.promote(three[2], withdrawn=True).counter]
    assert counters == [4, 5, 6, 7]
    assert registry.promote(three[2]).counter == 7, "nothing changed"
    assert registry.prune(1) == [three[0]]
    assert registry.latest().counter == 9, "it is marked and unmarked"
    assert registry.verify() == []


def test_a_forged_version_is_refused_by_every_loader(store, three, keys, monkeypatch):
    version = forge_version(store, three[0], monkeypatch)
    for name, load in loaders(store, version).items():
        assert f"{version} does not have the content that the key" in refused(load), name
    assert ["forged or damaged" in problem for problem in opened(store).verify()] == [True]
    monkeypatch.delenv(SIGNING_KEY)
    monkeypatch.delenv(VERIFY_KEY)
    assert opened(store).verify() == [] and read_sums(str(folder_of(store, version))), "without a key it looks well"


def test_a_forged_version_without_a_signature_is_refused_by_every_loader(store, three, monkeypatch):
    version = forge_version(store, three[0], monkeypatch)
    for signature in folder_of(store, version).glob("*.sig"):
        signature.unlink()
    for name, load in loaders(store, version).items():
        assert NOT_SIGNED in refused(load), name
    assert NOT_SIGNED in opened(store).verify()[0]
    assert opened(store).latest().version == three[2]


@pytest.mark.parametrize("content", [b"", b"x" * 63, b"x" * 64, b"x" * 65, b"x" * 2**21])
def test_a_damaged_signature_is_refused(store, three, content):
    signature = folder_of(store, three[0]) / signature_name(signer().key)
    signature.write_bytes(content)
    assert refused(lambda: read_sums(str(folder_of(store, three[0]))))
    signature.unlink()
    signature.mkdir()
    assert refused(lambda: read_sums(str(folder_of(store, three[0]))))


def test_a_truncated_signature_is_mended_by_publishing_again(store, three, tmp_path):
    signature = folder_of(store, three[0]) / signature_name(signer().key)
    whole = signature.read_bytes()
    signature.write_bytes(whole[:40])
    assert publish(store, tmp_path, 1) == three[0]
    assert signature.read_bytes() == whole and opened(store).verify() == []


def changes(store, version):
    """Returns every way to read or change `latest.json`, by name."""
    registry = opened(store)
    return {
        "latest": registry.latest,
        "promote": lambda: registry.promote(version),
        "challenge": lambda: registry.challenge(version, None),
        "rollback": lambda: registry.rollback("bad"),
        "hold": lambda: registry.hold("audit"),
        "release": registry.release,
        "best": registry.best,
        "prune": lambda: registry.prune(1),
        "sign": registry.sign,
    }


def forge(latest, store, three):
    """Yields the ways to forge a `latest.json`, each with what it is refused with."""
    original = latest.read_text()
    content = json.loads(original)
    about = content["history"][0]["about"]
    promoted = {"version": about["version"], "history": content["history"][:1]}
    wrong = "is not what the key"
    yield lambda: rewrite(latest, **promoted), wrong
    yield lambda: rewrite(latest, counter=99), wrong
    yield lambda: rewrite(latest, withdrawn={three[2]: {"reason": "r", "time": "t", "model_digest": ""}}), wrong
    yield lambda: rewrite(latest, unknown="field"), wrong
    yield lambda: rewrite(latest, signature={"key": content["signature"]["key"], "value": "AAAA"}), wrong
    yield lambda: rewrite(latest, signature={"key": content["signature"]["key"], "value": "not base64 é"}), wrong
    yield (
        lambda: rewrite(latest, signature={"key": "0" * 16, "value": content["signature"]["value"]}),
        "is signed by the key 0000",
    )
    yield lambda: latest.write_text(original.replace('"version":', f'"version": "{three[0]}", "version":', 1)), ""
    yield lambda: latest.write_text("{}"), "damaged"
    yield lambda: latest.write_text("[" * 100_000), "damaged"


@pytest.mark.parametrize("number", range(10))
def test_a_forged_latest_is_refused(store, three, number):
    forgery, message = [*forge(latest_of(store), store, three)][number]
    forgery()
    if not message:  # said twice: what counts is what was signed
        assert opened(store).latest().version == three[2]
        return
    written = latest_of(store).read_bytes()
    for name, use in changes(store, three[0]).items():
        assert message in refused(use), name
    assert any(message in problem for problem in opened(store).verify())
    assert latest_of(store).read_bytes() == written, "nobody signed it"


def test_a_latest_whose_signature_was_taken_out_is_refused(store, three, cache):
    rewrite(latest_of(store), signature=None)
    for name, use in changes(store, three[0]).items():
        message = "put back to an older state, or is gone" if name == "sign" else "latest.json is not signed"
        assert message in refused(use), name
    shutil.rmtree(cache)  # on a machine that has seen nothing a person is believed
    assert opened(store).sign() == [] and opened(store).latest().version == three[2]


def test_an_older_state_that_is_put_back_is_noticed(store, three, monkeypatch, cache):
    file, older = latest_of(store), latest_of(store).read_bytes()
    opened(store).rollback("sees cats in cars")
    file.write_bytes(older)
    for name, use in changes(store, three[0]).items():
        assert "put back to an older state, or is gone: it has the counter 3, and 4 was seen" in refused(use), name
    file.unlink()
    assert "it has the counter 0, and 4 was seen" in refused(opened(store).latest)
    assert f"graft registry sign pets --above 4 --store {store}" in refused(opened(store).latest)
    # The bucket's owner put it back on purpose.
    file.write_bytes(older)
    assert opened(store).sign(above=4) == []
    latest = opened(store).latest()
    assert (latest.version, latest.counter, latest.withdrawn) == (three[2], 5, {})
    # Not noticed where nothing was seen before, as the docs say.
    file.write_bytes(older)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "of another machine"))
    assert opened(store).latest().version == three[2]


def test_another_state_with_the_counter_that_was_seen_is_noticed(store, three, monkeypatch, cache):
    file, older = latest_of(store), latest_of(store).read_bytes()
    opened(store).rollback("sees cats in cars")
    file.write_bytes(older)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "of a pod that has seen nothing"))
    assert opened(store).hold("audit").counter == 4
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert "it has the counter 4, and 4 was seen here before" in refused(opened(store).latest)


def test_another_model_s_latest_is_refused(store, tmp_path, three):
    publish(store, tmp_path, 1, "cars")
    opened(store, "cars").promote(three[0])
    shutil.copyfile(latest_of(store), latest_of(store, "cars"))
    shutil.copytree(folder_of(store, three[2]), folder_of(store, three[2], "cars"))
    assert "is not what the key" in refused(opened(store, "cars").latest) and "for cars" in refused(
        opened(store, "cars").latest
    )
    opened(store).latest()


def test_without_a_key_all_is_readable_and_nothing_signed_is_changed(store, three, monkeypatch):
    monkeypatch.delenv(SIGNING_KEY)
    monkeypatch.delenv(VERIFY_KEY)
    registry = opened(store)
    assert registry.latest().version == three[2] and registry.verify() == []
    for change in (
        lambda: registry.hold("audit"),
        lambda: registry.rollback("bad"),
        lambda: registry.promote(three[0]),
    ):
        assert f"name the private key in {SIGNING_KEY} to change it" in refused(change)
    assert f"name one in {SIGNING_KEY}" in refused(registry.sign)
    assert registry.publish(store.parent / "export-1") == three[0], "what is there already needs no key"


def test_a_store_of_before_is_refused_until_it_is_signed(store, tmp_path, monkeypatch):
    versions = [publish(store, tmp_path, seed) for seed in (1, 2, 3)]
    for version in versions[:2]:
        opened(store).promote(version)
    private, public = make_pair(tmp_path, "later")
    monkeypatch.setenv(VERIFY_KEY, str(public))
    assert "latest.json is not signed" in refused(opened(store).latest)
    assert len(opened(store).verify()) == 4
    for name, load in loaders(store, versions[0]).items():
        assert "not signed" in refused(load), name
    assert SIGNING_KEY in refused(lambda: opened(store).sign())
    monkeypatch.setenv(SIGNING_KEY, str(private))
    assert set(opened(store).sign()) == {*versions[:2]} and opened(store).sign() == []
    assert opened(store).latest().counter == 1
    assert [NOT_SIGNED in problem for problem in opened(store).verify()] == [True], "nobody promoted the third"
    assert opened(store).sign(versions[2][:8]) == [versions[2]] and opened(store).verify() == []
    assert opened(store).promote(versions[2]).counter == 2


def test_keys_are_rotated(store, tmp_path, three, monkeypatch):
    old_private, old_public = (tmp_path / f"first.{kind}.pem" for kind in ("private", "public"))
    private, public = make_pair(tmp_path, "second")
    both = tmp_path / "both.pem"
    both.write_text(f"# the keys of two years\n{old_public.read_text()}\n{public.read_text()}")
    monkeypatch.setenv(VERIFY_KEY, str(both))
    assert opened(store).verify() == []
    monkeypatch.setenv(SIGNING_KEY, str(private))
    assert set(opened(store).sign()) == {*three} and opened(store).sign() == []
    monkeypatch.setenv(VERIFY_KEY, str(public))
    assert opened(store).verify() == [] and opened(store).hold("audit").counter == 5
    monkeypatch.setenv(VERIFY_KEY, str(old_public))
    assert "is not among those of GRAFT_VERIFY_KEY" in refused(opened(store).latest)
    monkeypatch.setenv(SIGNING_KEY, str(old_private))
    assert "is signed by the key" in refused(opened(store).latest)
    assert "is signed by the key" in refused(opened(store).sign), "who lacks the new key puts nothing over it"


def test_the_wrong_key_is_refused(store, tmp_path, three, monkeypatch):
    _, public = make_pair(tmp_path, "stranger")
    monkeypatch.delenv(SIGNING_KEY)
    with verifying(str(public)):
        for name, load in loaders(store, three[0]).items():
            if name not in ("challenge", "promote", "rollback"):
                assert NOT_SIGNED in refused(load), name
        assert "is signed by the key" in refused(opened(store).latest)
    assert os.environ[VERIFY_KEY].endswith("first.public.pem") and opened(store).verify() == []


def test_evaluate_takes_no_forged_baseline(store, three, monkeypatch):
    from graft.components.common.runs.run import Run
    from graft.components.evaluate.baselines import open_baselines
    from graft.components.evaluate.config import EvaluateConfig

    def load(config=EvaluateConfig()):  # noqa: B008 (frozen)
        with open_baselines(config, Run(str(store), "pets", "run"), ("cats", "dogs")):
            pass

    forged = folder_of(store, forge_version(store, three[0], monkeypatch))
    assert "forged or damaged" in refused(lambda: load(EvaluateConfig(champion=str(forged), anchor="none")))
    for signature in folder_of(store, three[2]).glob("*.sig"):
        signature.unlink()
    assert f"{three[2]} {NOT_SIGNED}" in refused(load)
    rewrite(latest_of(store), version=three[0])
    assert "latest.json is damaged" in refused(load)


def test_a_model_is_never_signed(tmp_path, keys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/training.json").write_text("{}")

    def load():
        with open_model(str(tmp_path / "model")):
            pass

    assert "is a Model, which nobody signs" in refused(load)


def test_promotions_at_once_are_counted_one_by_one(store, tmp_path, three):
    chance, registry, started = random.Random(0), opened(store), threading.Barrier(4)
    problems = []

    def work(seed):
        mine = random.Random(seed)
        started.wait()
        try:
            for _ in range(6):
                mine.choice([lambda: opened(store).promote(mine.choice(three)), opened(store).latest])()
        except GraftError as error:
            problems.append(str(error))

    before = registry.latest()
    threads = [threading.Thread(target=work, args=(chance.random(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    latest = registry.latest()
    assert problems == [] and registry.verify() == []
    assert latest.counter - before.counter == len(latest.history) - len(before.history) > 0


def test_anybody_can_verify_by_openssl(store, three, keys):
    if not shutil.which("openssl"):
        skip("openssl", "there is no openssl")
    folder = folder_of(store, three[0])
    shutil.copyfile(keys, folder / "verify.pem")
    chapter = (ROOT / "docs/security.md").read_text().partition("Anybody can verify without Graft:\n\n")[2]
    commands = "\n".join(itertools.takewhile(str.strip, chapter.splitlines()))
    done = subprocess.run(["bash", "-ec", commands], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Signature Verified Successfully" in done.stdout, done.stderr
    (folder / SUMS).write_bytes((folder / SUMS).read_bytes() + b"\n")
    assert subprocess.run(["bash", "-ec", commands], cwd=folder, capture_output=True, check=False).returncode != 0
