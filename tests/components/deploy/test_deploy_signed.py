"""Where a key is configured, traffic follows signed versions and a signed `latest.json`, and never one that was put back."""

from pathlib import Path

import pytest
from signing_keys import make_pair, rewrite, turn_on
from tiny_exports import NAME

from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.deploy import deploy
from graft.components.deploy.opening import open_target

pytestmark = pytest.mark.usefixtures("asked_here")


@pytest.fixture
def target(tmp_path):
    return open_target(DeployConfig(to=str(tmp_path / "served")), NAME)


@pytest.fixture
def signed(published, tmp_path, monkeypatch):
    """The store, whose first two versions are signed."""
    turn_on(tmp_path, monkeypatch)
    for seed in (0, 1):
        published.registry.sign(published.versions[seed])
    return published


def test_what_is_not_signed_gets_no_traffic(signed, target, tmp_path, monkeypatch):
    version = signed.promote(0)
    assert deploy(signed.registry, target).version == version
    latest = Path(signed.registry.folder, "latest.json")
    before = latest.read_bytes()
    rewrite(latest, version=signed.versions[1])
    with pytest.raises(GraftError, match=r"latest\.json is damaged"):
        deploy(signed.registry, target)
    rewrite(latest, version=version, withdrawn={})
    latest.write_bytes(before.replace(b"person", b"pipeline"))
    with pytest.raises(GraftError, match=r"latest\.json is not what the key \w+ signed"):
        deploy(signed.registry, target)
    latest.write_bytes(before)
    monkeypatch.setenv(VERIFY_KEY, str(make_pair(tmp_path, "stranger")[1]))
    monkeypatch.delenv(SIGNING_KEY)
    with pytest.raises(GraftError, match="is signed by the key"):
        deploy(signed.registry, target)
    assert [placed.version for placed in target.look()] == [version]


def test_a_version_whose_signature_is_gone_gets_no_traffic(signed, target):
    deployed = signed.promote(0)
    deploy(signed.registry, target)
    version = signed.promote(1)
    for signature in Path(signed.registry.versions.uri(version)).glob("*.sig"):
        signature.unlink()
    with pytest.raises(GraftError, match=f"{version} is not signed by a key"):
        deploy(signed.registry, target)
    assert [placed.version for placed in target.look()] == [deployed]


def test_a_target_remembers_though_this_machine_has_seen_nothing(signed, target, tmp_path, monkeypatch):
    signed.promote(0)
    latest = Path(signed.registry.folder, "latest.json")
    signed.promote(1)
    bad = latest.read_bytes()
    deploy(signed.registry, target)
    good = signed.registry.rollback("sees cats in cars")
    deploy(signed.registry, target)
    assert max(placed.counter for placed in target.look()) == good.counter == 3
    latest.write_bytes(bad)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache of a pod"))
    in_pod = Registry(str(tmp_path / "store"), NAME)
    assert in_pod.latest().version == signed.versions[1]
    with pytest.raises(
        GraftError, match=r"is older \(counter 2\) than the one by which .* got its version \(counter 3\)"
    ):
        deploy(in_pod, target)
    assert next(placed.version for placed in target.look() if placed.percent) == good.version
    in_pod.sign(above=3)  # a person says that it is right
    assert deploy(in_pod, target).version == signed.versions[1]
