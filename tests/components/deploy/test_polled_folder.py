"""A server that polls the folder never loads half a version, nor one that was refused or withdrawn."""

import random

import pytest
from polling import Poller, numbers_in
from tiny_exports import NAME, make_tiny_export

from graft.components.common import storage
from graft.components.common.errors import GraftError
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.deploy import deploy
from graft.components.deploy.opening import open_target

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("asked_here")]
GOOD, REFUSED = 14, (20, 21)


@pytest.fixture(params=["disk", "gs", "s3"])
def folder(request, tmp_path):
    if request.param == "disk":
        return str(tmp_path / "served")
    return f"{request.getfixturevalue('bucket' if request.param == 'gs' else 's3_bucket')}/served"


def test_versions_come_and_go_under_the_eyes_of_a_poller(folder, published, models, tmp_path):
    """Every third is withdrawn again; now and then one is promoted that answers otherwise than it says."""
    registry, chance = published.registry, random.Random(25)
    for seed in REFUSED:
        published.versions[seed] = make_tiny_export(models, tmp_path / str(seed), seed, answer=0)
        registry.publish(tmp_path / str(seed))

    def bring():
        deploy(registry, open_target(DeployConfig(to=folder, keep=chance.choice((0, 1, 3))), NAME))
        latest = registry.latest()
        poller.forbidden = frozenset({*map(published.seed, latest.withdrawn), *REFUSED})
        poller.wait_for(published.seed(latest.version))

    poller = Poller(f"{folder}/{NAME}", published)
    poller.start()
    try:
        for seed in range(GOOD):
            published.promote(seed)
            bring()
            if seed in (7, 13):
                published.promote(REFUSED[seed == 13])
                with pytest.raises(GraftError, match="It gets no traffic"):
                    bring()
            if seed in (7, 13) or seed % 3 == 2:
                registry.rollback("it is bad")
                bring()
    finally:
        poller.end()
    assert not poller.problems
    assert set(poller.loaded) == {*range(GOOD)} and len(poller.loaded) >= GOOD + GOOD // 3
    numbers = numbers_in({file.path.partition("/")[0] for file in storage.list(f"{folder}/{NAME}")})
    assert 1 <= len(numbers) <= 4 and max(numbers) > GOOD
