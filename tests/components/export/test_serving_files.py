"""What an Export holds for servers is what TensorFlow Serving reads: warm-up requests, parameters of batching and a request."""

import base64
import json

import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from graft.components.common.artifacts.checksums import SUMS
from graft.components.common.artifacts.export import Export, saved_model_path
from graft.components.common.errors import GraftError
from graft.components.common.runs.run import Run
from graft.components.common.serving.session import SavedModelSession
from graft.components.export.export import export

MOST_RECORDS = 1000


@pytest.fixture(scope="module")
def warm_up(chain):
    """The requests that TensorFlow Serving would run before it serves the version."""
    file = chain / "export/serving/model/1/assets.extra/tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    assert 0 < len(records) <= MOST_RECORDS
    return [PredictionLog.FromString(record) for record in records]


@pytest.mark.slow
def test_the_model_answers_the_warm_up_requests(chain, warm_up):
    sizes = []
    with SavedModelSession(chain / "export/serving/model/1") as session:
        for log in warm_up:
            assert log.WhichOneof("log_type") == "predict_log"
            request = log.predict_log.request
            assert request.model_spec.name == "model"
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            answer = session.run(request.model_spec.signature_name, inputs)["probabilities"]
            assert answer.sum(axis=1) == pytest.approx(1)
            sizes.append(len(answer))
    assert sizes == [1, 8]


@pytest.mark.slow
def test_the_example_of_a_request_has_the_image_of_the_warm_up(chain, warm_up):
    request = json.loads((chain / "export" / Export.REQUEST).read_text())
    (instance,) = request["instances"]
    tensor = warm_up[0].predict_log.request.inputs["image_bytes"]
    assert tf.make_ndarray(tensor).tolist() == [base64.b64decode(instance["image_bytes"]["b64"])]
    assert request["signature_name"] == warm_up[0].predict_log.request.model_spec.signature_name == "serving_default"


@pytest.mark.slow
def test_the_example_of_an_answer_is_what_the_model_answers_to_the_request(chain, warm_up):
    folder = chain / "export"
    (said,) = json.loads((folder / Export.RESPONSE).read_bytes())["predictions"]
    image = tf.make_ndarray(warm_up[0].predict_log.request.inputs["image_bytes"])
    with SavedModelSession(folder / "serving/model/1") as session:
        answer = session.run("serving_default", {"image_bytes": image})
    assert said["label"] == answer["label"][0].decode()
    assert said["probabilities"] == pytest.approx(answer["probabilities"][0].tolist(), abs=1e-6)
    assert f"  {Export.RESPONSE}\n" in (folder / SUMS).read_text()


@pytest.mark.slow
def test_the_parameters_of_batching_are_a_message_of_theirs(chain):
    fields = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", dependency=["google/protobuf/wrappers.proto"])
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(fields, 1):
        value = ".google.protobuf.Int64Value"
        message.field.add(name=name, number=number, label="LABEL_OPTIONAL", type="TYPE_MESSAGE", type_name=value)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    parameters = message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))()
    text_format.Parse((chain / "export" / Export.BATCHING).read_text(), parameters)
    assert all(getattr(parameters, name).value > 0 for name in fields)


@pytest.mark.parametrize(
    "name", ["..", "../../x", "a/b", "a\\b", "", ".hidden", "pets\n", "request.json", "Response.json", "Batching.conf"]
)
def test_a_name_that_can_t_be_a_folder_there_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(GraftError, match="can't be a name|can't be a model's name"):
        export(*[tmp_path / "none"] * 4, tmp_path / "export", run=Run(name=name))
    with pytest.raises(GraftError, match="can't be a model's name"):
        saved_model_path(name)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "path", ["serving/../1", "serving/a/b/1", "serving/pets/2", "/serving/pets/1", "serving/pets/1\n"]
)
def test_a_record_that_names_a_saved_model_elsewhere_is_refused(path):
    with pytest.raises(ValueError, match="0 SavedModels are named, not one"):
        Export(classes=("cats", "dogs"), formats={path: FORMAT})


FORMAT = {
    "bytes": 1,
    "parity": {"images": 1, "max_difference": 0.0, "label_agreement": 1.0, "latency_ms": 1.0},
    "limits": {"max_difference": 0.001, "label_agreement": 0.995},
}


def test_a_record_tells_where_its_saved_model_lies():
    for path, base in (("serving/pets/1", "serving/pets"), ("saved_model", None)):
        record = Export(classes=("cats", "dogs"), formats={path: FORMAT, "model.keras": FORMAT})
        assert (record.saved_model, record.base_path) == (path, base)
    with pytest.raises(ValueError, match="2 SavedModels are named, not one"):
        Export(classes=("cats", "dogs"), formats={"saved_model": FORMAT, "serving/pets/1": FORMAT})
