"""Records are written whole, and an artifact without its record is no artifact."""

import pytest

from graft.components.common.artifacts.records import new_artifact, read_record, write_record
from graft.components.common.errors import GraftError


def test_what_was_written_is_read(tmp_path):
    write_record(tmp_path / "x.json", {"name": "Zoë\n🐈"})
    record = read_record(tmp_path, "x.json")
    assert record["name"] == "Zoë\n🐈"
    assert set(record) == {"schema_version", "graft_version", "created", "name"}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_record_that_can_not_be_written_leaves_the_old_one(tmp_path):
    write_record(tmp_path / "x.json", {"value": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(tmp_path / "x.json", {"value": float("nan")})
    assert read_record(tmp_path, "x.json")["value"] == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "holds no x.json"),
        (b"", "is damaged"),
        (b'{"schema_version": 1', "is damaged"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b'{"schema_version": 3}', "has schema version 3, and this Graft reads 2"),
        (b'{"schema_version": 0}', "has schema version 0, and this Graft reads 2"),
        (b'{"schema_version": "one"}', "has schema version one"),
        (b'{"schema_version": [1]}', "has schema version"),
    ],
)
def test_other_records_are_refused(tmp_path, content, told):
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(GraftError, match=told):
        read_record(tmp_path, "x.json")


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("error", [GraftError("no"), KeyboardInterrupt(), None], ids=repr)
def test_a_step_that_fails_or_forgets_its_record_leaves_nothing(tmp_path, existed, error):
    output = tmp_path / "below" / "output"
    if existed:
        output.mkdir(parents=True)
    with pytest.raises(type(error) if error else RuntimeError), new_artifact(output, "x.json"):
        (output / "folder").mkdir()
        (output / "folder" / "half").write_text("half")
        if error:
            raise error
    assert output.exists() == existed
    assert not existed or list(output.iterdir()) == []


def test_a_leftover_is_cleared_and_a_finished_one_is_not(tmp_path):
    output = tmp_path / "output"
    output.mkdir()
    (output / ".unfinished").touch()
    (output / "half").touch()
    with new_artifact(output, "x.json"):
        assert [path.name for path in output.iterdir()] == [".unfinished"]
        write_record(output / "x.json", {})
    assert [path.name for path in output.iterdir()] == ["x.json"]
    with pytest.raises(GraftError, match="finished result"), new_artifact(output, "x.json"):
        pytest.fail("it began")
    assert [path.name for path in output.iterdir()] == ["x.json"]


def test_a_leftovers_links_are_removed_and_not_what_they_lead_to(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / ".unfinished").touch()
    (tmp_path / "output" / "link").symlink_to(tmp_path / "precious")
    with new_artifact(tmp_path / "output", "x.json"):
        write_record(tmp_path / "output" / "x.json", {})
    assert (tmp_path / "precious" / "file").exists()
