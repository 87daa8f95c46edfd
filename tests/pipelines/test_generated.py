"""What is made from the code is up to date."""

import pytest

from graft.pipelines.generated import generated_files

FILES = generated_files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_generated_files_are_up_to_date(path):
    assert path.read_text(encoding="utf-8") == FILES[path], "run `make format`"
