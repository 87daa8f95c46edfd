"""The examples in docstrings, run by doctest: what people read there works.

An example finds these names beside those of its module:

    source                                       a folder of 60 pictures of cats and dogs, as text
    dataset, model, evaluation, decision         paths of artifacts that were made of them by the steps
    exported                                     path of the Export
    folder                                       an empty folder for what the example makes

`model` is a Model of one small cut and a few epochs; with the same settings an example of `train` takes seconds too:
`TrainConfig(cut="activation", image_size=75, epochs=1)` and random weights.
"""

import doctest
import importlib
import re

import pyarrow.parquet as pq
import pytest
from support import ROOT

# What people call from a notebook shows how.
SHOWN = {
    "graft.components.common.artifacts.dataset": "Dataset",
    "graft.components.common.compute.predictions": "predict",
    "graft.components.evaluate.evaluate": "evaluate",
    "graft.components.gate.gate": "gate",
    "graft.components.export.export": "export",
    "graft.components.ingest.ingest": "ingest",
    "graft.components.train.train": "train",
}


def modules():
    """The names of the modules that have examples."""
    paths = [path for folder in ("components", "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]
    return [
        ".".join(("graft", *path.relative_to(ROOT).with_suffix("").parts))
        for path in paths
        if ">>> " in path.read_text()
    ]


@pytest.fixture
def names(chain, tmp_path):
    artifacts = {name: chain / name for name in ("dataset", "model", "evaluation", "decision")}
    return {"source": str(chain / "pictures"), **artifacts, "exported": chain / "export", "folder": tmp_path}


@pytest.mark.slow
@pytest.mark.parametrize("module", modules())
def test_the_examples_give_what_they_say(module, names):
    said, runner = [], doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(module), extraglobs=names):
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.parametrize(("module", "name"), SHOWN.items(), ids=SHOWN.values())
def test_what_people_call_has_an_example(module, name):
    found = doctest.DocTestFinder(recurse=False).find(getattr(importlib.import_module(module), name), name)
    assert any(test.examples for test in found)


@pytest.mark.slow
def test_the_page_about_the_library_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/library.md").read_text(), re.MULTILINE | re.DOTALL)
    shown = {}
    exec("\n".join(blocks), shown)
    evaluated = pq.read_table("library/evaluation/predictions.parquet").to_pylist()
    found = shown["predict_images"](str(tmp_path / "library/model"), shown["images"])
    assert [prediction.label for prediction in found] == [row["predicted"] for row in evaluated]
    assert shown["prediction"].image in shown["images"] and not shown["refused"]
    assert "40 train, 20 validation images of cats, dogs" in capsys.readouterr().out


# `from graft.x import y` in code, and `y(…)` of `graft.x` in sentences.
NAMED_IN_DOCS = re.compile(
    r"from (?P<module>graft[\w.]+) import (?P<name>\w+)|`(?P<call>\w+)\([^`]*`\s+of\s+`(?P<home>graft[\w.]+)`"
)


def test_what_the_docs_import_is_there():
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    found = [match for text in texts for match in NAMED_IN_DOCS.finditer(text)]
    named = {(match["module"] or match["home"], match["name"] or match["call"]) for match in found}
    assert {name for _, name in named} >= {"ingest", "train", "evaluate", "gate", "export", "Dataset", "predict"}
    for module, name in named:
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
