"""Which evaluated images a model was trained on, by the indexes of today's and of an older Graft's datasets."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.components.common.artifacts.model_source import SavedModel
from graft.components.common.errors import GraftError
from graft.components.evaluate.contamination import LOOKS, find_contaminated, known_columns


def images(pictures, first=0):
    """What an index says of images that all have the same hash."""
    return {
        "sha256": [f"{first + number:064x}" for number in range(len(pictures))],
        "phash": ["00000000000000ff"] * len(pictures),
        "brightness": [100.0] * len(pictures),
        "miniature": [picture.tobytes() for picture in pictures],
    }


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [((), [True, False, True]), (("model",), [True] * 3), (("dataset",), [True] * 3)],
    ids=["today's", "an older model", "an older dataset"],
)
def test_near_twins_are_proven_where_the_miniatures_are_known(tmp_path, lacking, expected):
    mine, stranger = np.random.default_rng(0).integers(0, 250, (2, 256), dtype=np.uint8)
    trained = images([mine, mine, mine]) | {"split": ["train", "validation", "train"]}
    # The second one looks like an image that the model was not trained on; the third one has the same bytes as one that it was.
    evaluated = images([mine + np.uint8(1), stranger, stranger], first=10)
    evaluated["sha256"][2] = trained["sha256"][2]
    if "model" in lacking:
        del trained["miniature"]
    if "dataset" in lacking:
        del evaluated["miniature"]
    index = tmp_path / "index.parquet"
    pq.write_table(pa.table(trained), index)
    model = SavedModel("model", tmp_path, "", ("cats", "dogs"), index)
    assert find_contaminated(evaluated, model).tolist() == expected
    assert (known_columns(index, LOOKS, "model") == list(LOOKS)) == ("model" not in lacking)


@pytest.mark.parametrize(("column", "value"), [("miniature", None), ("miniature", b"short"), ("phash", None)])
def test_an_index_with_gaps_is_damaged(tmp_path, column, value):
    trained = images(np.zeros((2, 256), np.uint8)) | {"split": ["train", "train"]}
    trained[column][1] = value
    index = tmp_path / "index.parquet"
    pq.write_table(pa.table(trained), index)
    model = SavedModel("model", tmp_path, "", ("cats", "dogs"), index)
    with pytest.raises(GraftError, match="The index of model is damaged"):
        find_contaminated(images(np.ones((1, 256), np.uint8), first=10), model)
