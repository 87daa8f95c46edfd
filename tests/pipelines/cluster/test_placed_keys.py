"""The keys of signatures: every step verifies, export alone signs, and no private key stands in a pipeline."""

import json

import pytest
from signing_keys import make_pair
from support import yaml_documents

from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY
from graft.components.common.errors import GraftError
from graft.pipelines.cluster.compiling import compile_pipeline
from graft.pipelines.cluster.profile.fields import Images
from graft.pipelines.cluster.profile.reading import read_profile

IMAGES = Images(cpu="registry.example/graft@sha256:" + "0" * 64)
SECRET = {"name": "graft-signing", "key": "signing.pem", "env": SIGNING_KEY, "steps": ["export"]}


@pytest.fixture
def keys(tmp_path):
    return tuple(file.read_text() for file in make_pair(tmp_path, "first"))


def compiled(tmp_path, target="kubeflow", **profile):
    """Returns the documents of a compiled pipeline."""
    (tmp_path / "profile.yaml").write_text(json.dumps({"store": "gs://bucket/store", **profile}))
    output = tmp_path / f"{target}.yaml"
    compile_pipeline(read_profile(tmp_path / "profile.yaml", target), IMAGES, target, output)
    return yaml_documents(output)


def test_every_step_gets_the_public_keys_and_export_alone_the_secret(tmp_path, keys):
    plain = compiled(tmp_path)
    spec, platform = compiled(tmp_path, verify_key=keys[1], secrets=[SECRET])
    for name, executor in spec["deploymentSpec"]["executors"].items():
        assert {"name": VERIFY_KEY, "value": keys[1]} in executor["container"]["env"], name
        executor["container"]["env"].remove({"name": VERIFY_KEY, "value": keys[1]})
        executor["container"] = {field: value for field, value in executor["container"].items() if value != []}
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert [name for name, executor in executors.items() if executor.pop("secretAsEnv", None)] == ["exec-export"]
    assert [spec, platform] == plain, "that is all"


@pytest.mark.parametrize(
    ("target", "profile", "said"),
    [
        ("kubeflow", {"secrets": []}, "verify_key: export has no key to sign by: name its secret under secrets"),
        ("kubeflow", {"secrets": [SECRET | {"steps": []}]}, "secrets: GRAFT_SIGNING_KEY is for export alone"),
        (
            "kubeflow",
            {"secrets": [SECRET | {"steps": ["export", "ingest"]}]},
            "secrets: GRAFT_SIGNING_KEY is for export alone",
        ),
        ("vertex", {}, "verify_key: Vertex has no Kubernetes secrets"),
    ],
)
def test_keys_where_they_do_not_belong_are_refused(tmp_path, keys, target, profile, said):
    with pytest.raises(GraftError, match=said):
        compiled(tmp_path, target, verify_key=keys[1], **profile)


def test_a_private_key_in_a_profile_is_refused_and_not_shown(tmp_path, keys):
    with pytest.raises(GraftError, match="verify_key: it holds a private key") as refused:
        compiled(tmp_path, verify_key=keys[0], secrets=[SECRET])
    assert keys[0].splitlines()[1] not in str(refused.value)
