"""A folder of numbered versions holds what `latest` names under the highest number, and never what was refused or withdrawn."""

import json
from pathlib import Path

import pytest
from tiny_exports import NAME, make_tiny_export, seed_in

from graft.components.common.artifacts.checksums import SUMS, write_sums
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.numbers import Numbers
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.deploy.config import DeployConfig
from graft.components.deploy.deploy import deploy, promote, roll_back
from graft.components.deploy.opening import open_target

pytestmark = pytest.mark.usefixtures("asked_here")


@pytest.fixture
def base(tmp_path):
    return tmp_path / "served" / NAME


def target(base, **more):
    return open_target(DeployConfig(to=str(base.parent), **more), NAME)


def there(base):
    """Returns the seeds of the numbers that are there, and the names of whatever else is."""
    found = {path.name: path for path in base.iterdir() if path.name not in (Numbers.FILE, f".{Numbers.FILE}.lock")}
    return {int(name) if name.isdecimal() else name: seed_in(path) for name, path in found.items()}


def test_versions_come_and_go(published, base):
    first = published.promote(0)
    result = deploy(published.registry, target(base))
    assert (result.version, result.percent, result.changed) == (first, 100, True)
    assert there(base) == {1: 0}
    before = {path: path.stat().st_ctime_ns for path in base.rglob("*")}
    assert not deploy(published.registry, target(base)).changed
    assert before == {path: path.stat().st_ctime_ns for path in base.rglob("*")}
    for seed in (1, 2):
        published.promote(seed)
        deploy(published.registry, target(base))
    assert there(base) == {2: 1, 3: 2}
    assert published.registry.rollback("it is bad").version == published.versions[1]
    deploy(published.registry, target(base))
    assert there(base) == {4: 1}
    published.promote(3)
    deploy(published.registry, target(base, keep=0))
    assert there(base) == {5: 3}
    assert [(one.version, one.percent, one.where) for one in target(base).look()] == [
        (published.versions[3], 100, "number 5")
    ]


def test_a_model_that_answers_otherwise_gets_nothing(published, base, models, tmp_path):
    published.promote(0)
    deploy(published.registry, target(base))
    wrong = make_tiny_export(models, tmp_path / "wrong", 1, answer=2)
    published.registry.publish(tmp_path / "wrong")
    published.registry.promote(wrong)
    told = f"folder {base} answers .*seed 1.* and the version {wrong[:12]} answered .* no traffic. This machine ran it, no server did: "
    for _ in range(2):
        with pytest.raises(GraftError, match=told):
            deploy(published.registry, target(base))
        assert there(base) == {1: 0}
    published.registry.rollback("it answers otherwise")
    assert deploy(published.registry, target(base)).percent == 100
    assert set(there(base).values()) == {0}


def test_a_file_that_was_changed_in_the_store_gets_nowhere(published, base):
    version = published.promote(0)
    file = next(Path(published.registry.versions.uri(version)).rglob("variables.data*"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(GraftError, match="variables.data.* has the SHA-256"):
        deploy(published.registry, target(base))
    assert not base.exists()


def test_an_export_without_an_answer_is_asked_for_it(published, base, models, tmp_path):
    make_tiny_export(models, tmp_path / "old", 4)
    for path in (Export.RESPONSE, SUMS):
        (tmp_path / "old" / path).unlink()
    old = write_sums(tmp_path / "old")
    published.registry.publish(tmp_path / "old")
    published.registry.promote(old)
    published.promote(5)
    deploy(published.registry, target(base))
    assert published.registry.rollback("it is bad").version == old
    deploy(published.registry, target(base))
    assert there(base) == {2: 4}


def test_what_a_person_put_there_stays_below(published, base):
    (base / "1700000000").mkdir(parents=True)
    assert [(one.version, one.percent) for one in target(base).look()] == [("", 100)]
    published.promote(0)
    deploy(published.registry, target(base))
    assert sorted(path.name for path in base.iterdir() if path.name.isdecimal()) == ["1700000000", "1700000001"]


def test_a_folder_has_no_canary(published, base):
    published.promote(0)
    with pytest.raises(GraftError, match="can't split traffic: leave canary out"):
        deploy(published.registry, target(base), canary=10)
    with pytest.raises(GraftError, match="gets no traffic .*: bring it there with graft deploy"):
        promote(published.registry, target(base))
    deploy(published.registry, target(base))
    with pytest.raises(GraftError, match="has no canary. .*graft registry rollback pets --reason WHY --deploy --store"):
        roll_back(published.registry, target(base))
    assert not promote(published.registry, target(base)).changed


def test_a_damaged_record_is_told(published, base):
    published.promote(0)
    deploy(published.registry, target(base))
    record = json.loads((base / Numbers.FILE).read_text())
    (base / Numbers.FILE).write_text(json.dumps(record | {"numbers": record["numbers"] * 2}))
    with pytest.raises(GraftError, match="graft-numbers.json is damaged .the numbers don't grow.: delete it"):
        deploy(published.registry, target(base))
    (base / Numbers.FILE).unlink()
    deploy(published.registry, target(base))
    assert there(base) == {1: 0, 2: 0}


def test_nothing_is_promoted_yet(published, base):
    with pytest.raises(GraftError, match="has no latest version .*: promote one"):
        deploy(published.registry, target(base))
    with pytest.raises(GraftError, match="pits has no latest version .*: check the name and the store"):
        deploy(Registry(published.store, "pits"), target(base))


def test_a_web_server_is_no_place(published):
    published.promote(0)
    with pytest.raises(GraftError, match="can't be replaced safely: use a local folder, gs:// or s3://"):
        deploy(published.registry, open_target(DeployConfig(to="https://127.0.0.1:9/x"), NAME))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_number_that_is_no_folder_is_in_nobody_s_way(published, base, kind):
    base.mkdir(parents=True)
    (base / "1").write_text("x") if kind == "file" else (base / "1").symlink_to(base / "nowhere")
    version = published.promote(0)
    assert deploy(published.registry, target(base)).version == version
    assert seed_in(base / "2") == 0


def test_what_a_link_leads_to_stays(published, base, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    base.mkdir(parents=True)
    for name in (f".gone-{32 * '0'}", f".1-{32 * '0'}"):
        (base / name).symlink_to(tmp_path / "mine")
    published.promote(0)
    for _ in range(2):
        deploy(published.registry, target(base))
    assert there(base) == {1: 0} and (tmp_path / "mine/file").read_text() == "x"


def test_a_record_that_gave_the_highest_number_names_what_to_delete(published, base):
    version = published.promote(0)
    highest = {"number": 2**63 - 1, "version": version, "token": "t", "time": "2026-11-27T00:00:00+00:00"}
    base.mkdir(parents=True)
    (base / Numbers.FILE).write_text(json.dumps({"schema_version": 2, "numbers": [highest]}))
    published.promote(1)
    with pytest.raises(GraftError, match=f"remove that number, and {Numbers.FILE}"):
        deploy(published.registry, target(base))
    (base / Numbers.FILE).unlink()
    deploy(published.registry, target(base))
    assert there(base) == {1: 1}
