"""A step that a cluster runs again publishes nothing twice."""

import filecmp

import pytest
from exports import FILES, make_export, model_digest

from graft.components.common.artifacts.outcomes.results import ExportResult, Published
from graft.components.common.errors import GraftError
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.common.runs.step_record import recorded
from graft.components.export.exported_before import exported_before

FORMATS = ("serving/pets/1", "model.keras")


@pytest.fixture
def done(tmp_path):
    """A run that has published an Export, its folder, and what it returned."""
    run = Run(str(tmp_path / "store"), "pets", "run-1")
    version = make_export(tmp_path / "export", 1)
    registry = Registry(run.store, run.name)
    registry.publish(tmp_path / "export")
    published = Published(uri=registry.versions.uri(version), promoted=True)
    result = ExportResult(path="/gone", version=version, formats=FORMATS, max_difference=1e-6, published=published)
    with recorded("export", run) as recording:
        recording.outcome = result
    return run, tmp_path / "export", result


def test_what_the_run_has_published_is_brought_back_whole(done, tmp_path):
    run, export, result = done
    output = tmp_path / "again"
    again = exported_before(run, model_digest(1), FORMATS[::-1], output)
    assert again == result.model_copy(update={"path": str(output)})
    assert filecmp.cmpfiles(export, output, [*FILES, "SHA256SUMS", "lineage/evaluation.json"], shallow=False)[1:] == (
        [],
        [],
    )
    assert list(Registry(run.store, run.name).versions.finished()) == [result.version]


@pytest.mark.parametrize(
    ("run_id", "seed", "formats"),
    [("run-2", 1, FORMATS), ("run-1", 2, FORMATS), ("run-1", 1, (*FORMATS, "model.onnx"))],
    ids=["another run", "another model", "other formats"],
)
def test_anything_else_is_exported(done, tmp_path, run_id, seed, formats):
    run = Run(done[0].store, done[0].name, run_id)
    assert exported_before(run, model_digest(seed), formats, tmp_path / "again") is None
    assert not (tmp_path / "again").exists()


def test_a_version_that_was_removed_is_exported_again_and_one_that_was_changed_is_told(done, tmp_path):
    run, _, result = done
    keras = tmp_path / "store/models/pets/versions" / result.version / "model.keras"
    keras.write_bytes(b"another")
    with pytest.raises(GraftError, match="model.keras"):
        exported_before(run, model_digest(1), FORMATS, tmp_path / "again")
    Registry(run.store, run.name).versions.remove(result.version)
    assert exported_before(run, model_digest(1), FORMATS, tmp_path / "more") is None


def test_without_a_store_or_after_a_failure_there_is_nothing(tmp_path):
    assert exported_before(Run(), model_digest(1), FORMATS, tmp_path) is None
    run = Run(str(tmp_path / "store"), "pets", "run-1")
    with pytest.raises(GraftError), recorded("export", run):
        raise GraftError("no")
    assert exported_before(run, model_digest(1), FORMATS, tmp_path) is None
