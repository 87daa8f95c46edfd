"""A profile is read, and what is wrong with it is said with file, line and field."""

import json
import re

import pytest
import yaml

from graft.components.common.errors import GraftError
from graft.pipelines.cluster.profile.fields import Images, Profile
from graft.pipelines.cluster.profile.images import images_of
from graft.pipelines.cluster.profile.placement import Placement
from graft.pipelines.cluster.profile.reading import DEFAULTS, read_profile

WRONG = [
    ("gpu:\n  typ: nvidia.com/gpu", 2, "gpu.typ: there is no such field"),
    ("gpu:\n  count: 2", 1, "gpu.type: Field required"),
    ("steps:\n  ingest: {}\n  training: {cpu: '4'}", 3, "steps.training: "),
    ("steps:\n  ingest:\n    cpu: '4'\n    timeout: soon", 4, "steps.ingest.timeout: 'soon' is not a duration"),
    ("steps:\n  train: {memory: lots}", 2, "steps.train.memory: "),
    ("steps:\n  train: {memory: 8}", 2, "steps.train.memory: "),
    ("steps:\n  gate: {retries: 1}", 1, "steps.gate.retries: the gate is never tried again"),
    ("secrets:\n  - {name: a, key: b, env: C}\n  - {name: a, key: b, env: 'C D'}", 3, "secrets.1.env: "),
    ("retry:\n  count: -1", 2, "retry.count: "),
    ("retry:\n  count: 1\n  factor: 1.5", 3, "retry.factor: Input should be a valid integer"),
    ("retry:\n  max_backoff: 30m", 2, "retry.max_backoff: delete this line: Kubeflow took it for the time after which"),
    ("retry:\n  backoff: 3551w", 2, "retry.backoff: '3551w' is too long: write 3550w at most"),
    ("pods:\n  node_affinity: [{key: a}]", 2, "pods.node_affinity.0: values: In takes some"),
    (
        "pods:\n  node_affinity: [{key: a, operator: Exists, values: [b]}]",
        2,
        "pods.node_affinity.0: values: Exists takes none",
    ),
    ("pods:\n  labels: {a: b c}", 2, "pods.labels.a: "),
    ("images: {gpu: a/b}", 1, "images.cpu: Field required"),
    ("images:\n  cpu: a\n  cuda: b", 3, "images.cuda: there is no such field"),
    ("store: gs://user:SECRET@bucket/x", 1, "store: it holds a user name, password or query string"),
    ("notification:\n  format: xml\n  secret: {name: a, key: b}", 2, "notification.format: "),
    ("notification:\n  format: json", 1, "notification: name one place of the webhook's URL"),
    (
        "retry: {}\nverify_key: keys/public.pem",
        2,
        "verify_key: it holds no public keys, or a damaged one: make a pair by openssl",
    ),
    ("store: gs://a\nretry: {}\nstore: gs://b", 3, "store: given twice"),
    ("retry: &a\n  count: *a", 2, "retry.count: "),
    ("- a\n- b", 1, "Input should be a valid dictionary"),
    ("a: b: c", 1, "this is not valid YAML: mapping values are not allowed here"),
    ("a: 1\n---\nb: 2", 2, "this is not valid YAML"),
    ("? [a]\n: b", 1, "this is not valid YAML"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, line, said):
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(GraftError) as refused:
        read_profile(path, "kubeflow")
    assert str(refused.value).startswith(f"{path}:{line}: {said}")
    assert "SECRET" not in str(refused.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path):
    with pytest.raises(GraftError, match="can't be read"):
        read_profile(tmp_path / "none.yaml", "vertex")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GraftError, match="can't be read"):
        read_profile(tmp_path / "binary.yaml", "vertex")


def test_an_empty_profile_is_a_cpu_only_one(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_profile(tmp_path / "empty.yaml", "kubeflow") == Profile()
    assert Profile().gpu is None


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_the_examples_hold_with_all_that_they_comment_out(target, tmp_path):
    """An example that would be refused with what it has commented out is no example."""
    text = (DEFAULTS / f"{target}.yaml").read_text()
    (tmp_path / "profile.yaml").write_text(re.sub(r"^( *)#(?=[a-z]|  )", r"\1", text, flags=re.MULTILINE))
    profile = read_profile(tmp_path / "profile.yaml", target)
    assert profile.store and profile.pipeline_root and profile.service_account and profile.notification
    assert profile.vertex.project if target == "vertex" else profile.kubeflow.endpoint and profile.secrets
    Placement(profile, Images(cpu="cpu", gpu="gpu"), target)


def test_images_are_read_where_the_profile_is(tmp_path, monkeypatch):
    (tmp_path / "profiles").mkdir()
    path = tmp_path / "profiles" / "profile.yaml"
    path.write_text("images: ../images.json\n")
    (tmp_path / "images.json").write_text(json.dumps({"cpu": "a@sha256:1", "gpu": "b@sha256:2"}))
    images = Images(cpu="a@sha256:1", gpu="b@sha256:2")
    assert images_of(read_profile(path, "kubeflow"), path) == images
    monkeypatch.chdir(tmp_path)
    assert images_of(read_profile(None, "kubeflow"), None) == images


@pytest.mark.parametrize(
    ("content", "said"), [(None, "doesn't exist: write it by `make push"), ("{}", "is not what"), ("x", "is not what")]
)
def test_images_that_are_not_there_or_no_such_file(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "images.json").write_text(content)
    with pytest.raises(GraftError, match=said):
        images_of(Profile(), None)


def test_the_default_profiles_ask_for_one_gpu():
    for target in ("kubeflow", "vertex"):
        profile = read_profile(None, target)
        assert profile.gpu and profile.gpu.count == 1
        assert yaml.safe_load((DEFAULTS / f"{target}.yaml").read_text())["images"] == "images.json"
