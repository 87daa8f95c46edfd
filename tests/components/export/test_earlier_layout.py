"""A version published before there was `serving/` is used as it always was."""

import pytest
from exports import in_earlier_layout

from graft.components.common.artifacts.dataset import Dataset
from graft.components.common.artifacts.evaluation import Evaluation
from graft.components.common.artifacts.export import Export
from graft.components.common.artifacts.shards.encoded import read_encoded
from graft.components.common.registry.registry import Registry
from graft.components.common.runs.run import Run
from graft.components.evaluate.evaluate import evaluate
from graft.pipelines.local.predicting import predict_images

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def earlier(chain, tmp_path_factory):
    """The chain's Export in the layout of before."""
    return in_earlier_layout(chain / "export", tmp_path_factory.mktemp("earlier") / "export")


def test_its_record_tells_where_the_saved_model_lies(earlier):
    record = Export.load(earlier)
    assert (record.saved_model, record.base_path) == ("saved_model", None)
    assert (earlier / record.saved_model / "saved_model.pb").is_file()


def test_it_is_published_promoted_compared_with_and_predicts(chain, earlier, tmp_path):
    registry = Registry(str(tmp_path / "store"), "pets")
    version = registry.publish(earlier)
    assert registry.promote(version).version == version and registry.verify() == []

    run = Run(str(tmp_path / "store"), "pets", "1")
    result = evaluate(chain / "model", chain / "dataset", tmp_path / "evaluation", run=run)
    met = Evaluation.load(tmp_path / "evaluation").comparisons.champion
    assert met is not None and (met.accuracy, met.difference) == (result.metrics.accuracy, 0)

    (tmp_path / "image").write_bytes(next(iter(read_encoded(Dataset.load(chain / "dataset"), "validation", [0]))))
    (before,) = predict_images(registry.versions.uri(version), [str(tmp_path / "image")])
    (now,) = predict_images(str(chain / "export"), [str(tmp_path / "image")])
    assert before == now and before.label in ("cats", "dogs")
