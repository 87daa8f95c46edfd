"""An artifact without its record is no artifact: a step that fails leaves nothing."""

import pytest

from graft.components.common.artifacts.artifact import new_artifact
from graft.components.common.errors import GraftError


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
        (output / "x.json").write_text("{}")
    assert [path.name for path in output.iterdir()] == ["x.json"]
    with pytest.raises(GraftError, match="finished result"), new_artifact(output, "x.json"):
        pytest.fail("it began")
    assert [path.name for path in output.iterdir()] == ["x.json"]


def test_a_path_that_no_record_can_tell_is_refused_at_once(tmp_path):
    with pytest.raises(GraftError, match=r"udcff' is no valid UTF-8"), new_artifact(tmp_path / "\udcff", "x.json"):
        pytest.fail("it began")


def test_a_leftovers_links_are_removed_and_not_what_they_lead_to(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / ".unfinished").touch()
    (tmp_path / "output" / "link").symlink_to(tmp_path / "precious")
    with new_artifact(tmp_path / "output", "x.json"):
        (tmp_path / "output" / "x.json").write_text("{}")
    assert (tmp_path / "precious" / "file").exists()
