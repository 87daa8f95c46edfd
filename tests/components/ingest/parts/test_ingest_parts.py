"""A source is checked in parts: however many there are, in whatever order they come and end, the Dataset is the same."""

from pathlib import Path

import pytest
from awkward import awkward_files, corrected, facts, grown, manifest, run_parts, step
from pictures import write_folder

from graft.components.common.runs.run import Run
from graft.components.ingest.images import decoding_pool
from graft.components.ingest.kept.row_file import rows_folder

FILES = awkward_files()
LATER = grown(FILES)


@pytest.fixture
def decoded(monkeypatch):
    """The contents that were decoded, as they come."""
    seen = []
    check_image = decoding_pool.check_image
    monkeypatch.setattr(decoding_pool, "check_image", lambda content: seen.append(content) or check_image(content))
    return seen


def run(tmp_path, store, number=1):
    return Run(str(tmp_path / store), "pets", f"run-{number}")


def kept(this):
    return sorted(Path(rows_folder(this)).glob("*"))


@pytest.fixture(params=["folder", "manifest"])
def weeks(request, tmp_path):
    """Writes the source of a week, and returns it."""

    def write(files):
        for path in (tmp_path / "files").glob("*/*"):
            if files.get(path.relative_to(tmp_path / "files").as_posix()) != path.read_bytes():
                path.unlink()
        there = {path: content for path, content in files.items() if not (tmp_path / "files" / path).exists()}
        folder = write_folder(tmp_path / "files", there)
        return manifest(tmp_path, files) if request.param == "manifest" else folder

    return write


def test_any_number_of_parts_makes_the_same_dataset_and_so_does_the_next_one(tmp_path, weeks, decoded):
    config = corrected(tmp_path, FILES)
    parts = (0, 1, 2, 7)
    for week, files in enumerate((FILES, LATER)):
        source, found, read = weeks(files), [], []
        for count in parts:
            this = run(tmp_path, f"store-{count}", week)
            if count:
                assert run_parts(source, this, count, config) == count
            decoded.clear()
            assert bool(kept(this)) == (count > 1)
            output = tmp_path / f"{week}-{count}"
            found.append(facts(output, step(source, output, this, config)))
            read.append(len(decoded))
            assert not kept(this)
        assert found[1] == found[0]
        assert found[2] == found[0]
        assert found[3] == found[0]
        # The second one of images with the same bytes has a record of its own, which the step alone can see.
        assert read[0] == read[1] > 50 and read[2] == read[3] == (10 if week else 0)
