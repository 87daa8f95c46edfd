from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from graft.components.common.errors import GraftError
from graft.pipelines.local import sample
from graft.pipelines.local.sample import draw_sample

LABELS = ("cats", "dogs")
IMAGES = 300


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("drawn") / "sample"
    draw_sample(output, IMAGES)
    return output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout_is_balanced_and_two_thirds_train(drawn: Path) -> None:
    counts = {"train": IMAGES // 3, "validation": IMAGES // 6}
    expected = {
        f"{split}/{label}/{n:03}.jpg" for split, count in counts.items() for label in LABELS for n in range(count)
    }
    assert set(contents(drawn)) == expected


def test_images_are_jpegs_of_moderate_size(drawn: Path) -> None:
    for path in drawn.rglob("*.jpg"):
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert image.mode == "RGB"
            assert 160 <= min(image.size) <= max(image.size) <= 200


def test_images_are_distinct(drawn: Path) -> None:
    assert len(set(contents(drawn).values())) == IMAGES


def test_the_seed_decides_the_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        draw_sample(tmp_path / name, 60, seed)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    assert not set(one.values()) & set(other.values())


def test_colour_does_not_tell_the_classes_apart(drawn: Path) -> None:
    def split(name: str) -> tuple[list[list[float]], list[int]]:
        features, labels = [], []
        for label, folder in enumerate(LABELS):
            for path in sorted((drawn / name / folder).iterdir()):
                with Image.open(path) as image:
                    pixels = np.asarray(image, np.float64).reshape(-1, 3)
                features.append([*pixels.mean(axis=0), *pixels.std(axis=0)])
                labels.append(label)
        return features, labels

    probe = make_pipeline(StandardScaler(), LogisticRegression()).fit(*split("train"))
    assert probe.score(*split("validation")) < 0.65


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    output = tmp_path / "sample"
    output.mkdir()
    draw_sample(output, 60)
    assert len(contents(output)) == 60
    assert list(tmp_path.iterdir()) == [output]


def test_missing_parents_are_made(tmp_path: Path) -> None:
    draw_sample(tmp_path / "a" / "b", 60)
    assert len(contents(tmp_path / "a" / "b")) == 60


def test_a_folder_that_holds_something_is_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "mine.txt").write_text("mine")
    with pytest.raises(GraftError, match="not an empty folder: name one"):
        draw_sample(tmp_path / "sample", 60)
    assert contents(tmp_path) == {"sample/mine.txt": b"mine"}


def test_a_file_is_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "sample").write_text("mine")
    with pytest.raises(GraftError, match="not an empty folder: name one"):
        draw_sample(tmp_path / "sample", 60)
    assert contents(tmp_path) == {"sample": b"mine"}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(GraftError, match=r"can't be written .*: name another folder"):
        draw_sample(tmp_path / "file" / "sample", 60)
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize("images", [-6, 0, 54, 61, 100])
def test_a_bad_number_is_refused(tmp_path: Path, images: int) -> None:
    with pytest.raises(GraftError, match="name a multiple of 6"):
        draw_sample(tmp_path / "sample", images)
    assert not list(tmp_path.iterdir())


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraftError, match="The seed can't be -1"):
        draw_sample(tmp_path / "sample", 60, seed=-1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_of_an_interrupted_drawing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: type[BaseException], existing: bool
) -> None:
    output, draw_picture, pictures = tmp_path / "sample", sample.draw_picture, []
    if existing:
        output.mkdir()

    def draw(rng: np.random.Generator, label: str) -> Image.Image:
        if len(pictures) == 20:
            assert len(contents(tmp_path)) == 20
            raise problem
        pictures.append(draw_picture(rng, label))
        return pictures[-1]

    monkeypatch.setattr(sample, "draw_picture", draw)
    with pytest.raises(problem):
        draw_sample(output, 60)
    assert list(tmp_path.rglob("*")) == ([output] if existing else [])
