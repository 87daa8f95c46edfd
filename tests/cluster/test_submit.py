"""Submitting runs on both targets, also when the network fails."""

import json
import threading
import time

import fsspec
import pytest

from graft.components.common.parameters import PUBLIC_ARCHIVE, Parameters
from graft.pipelines.cluster import submitting

pytestmark = pytest.mark.slow

SOURCE = ["--source", "gs://pictures/photos.zip"]


def test_a_run_is_started_and_its_page_printed(graft, cluster):
    ended = graft(
        "submit", *cluster.options, *SOURCE, "--store", "gs://b/store", "--name", "pets", "--learning-rate", "0.001"
    )
    assert ended.code == 0, ended.said
    run, link = ended.out.split()
    assert run in link
    parameters = cluster.parameters(run)
    assert parameters["source"] == "gs://pictures/photos.zip"
    assert (parameters["store"], parameters["name"], parameters["weights"]) == ("gs://b/store", "pets", "imagenet")
    assert (parameters["learning_rate"], parameters["force"]) == (0.001, False)
    run = graft("submit", *cluster.options, *SOURCE, "--store", "gs://b/store").out.split()[0]
    assert cluster.parameters(run)["name"] == "model"


def test_the_longest_name_will_do(graft, cluster):
    ended = graft("submit", *cluster.options, *SOURCE, "--store", "gs://b/store", "--name", "n" * 128)
    assert ended.code == 0, ended.said


def test_without_a_source_it_trains_on_the_public_archive(graft, cluster):
    run = graft("submit", *cluster.options).out.split()[0]
    assert cluster.parameters(run)["source"] == PUBLIC_ARCHIVE
    assert cluster.parameters(run)["weights"] == "imagenet"
    assert cluster.parameters(run)["name"] == "sample"
    run = graft("submit", *cluster.options, "--name", "model").out.split()[0]
    assert cluster.parameters(run)["name"] == "model"


def test_what_the_profile_says_goes_with_the_run(graft, cluster):
    cluster.profile.write_text(cluster.profile.read_text() + "store: gs://b/of-the-profile\n")
    run = graft("submit", *cluster.options).out.split()[0]
    entry = cluster.server.runs[run]
    assert cluster.parameters(run)["store"] == "gs://b/of-the-profile"
    if cluster.target == "vertex":
        assert entry["serviceAccount"] == "graft@p.iam.example"
        assert entry["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/artifacts"
    else:
        assert entry["runtime_config"]["pipeline_root"] == "gs://bucket/artifacts"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_is_started_once_though_the_answer_is_lost(graft, cluster, after):
    cluster.server.drop("POST .*(/runs|/pipelineJobs)", after=after)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert ended.code == 0, ended.said
    assert list(cluster.server.runs) == ended.out.split()[:1]


def test_errors_that_pass_are_ridden_out_and_others_are_said(graft, cluster):
    cluster.server.fail("POST .*(/runs|/pipelineJobs)", status=503, times=2)
    assert graft("submit", *cluster.options, *SOURCE).code == 0
    cluster.server.fail("POST .*(/runs|/pipelineJobs)", status=500, times=100)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "is not working (HTTP 500: it was told to fail)" in ended.said) == (1, True)
    cluster.server.faults.clear()
    cluster.server.fail("POST .*(/runs|/pipelineJobs)", status=403)
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "refuses (HTTP 403: it was told to fail)" in ended.said) == (1, True)
    assert "Traceback" not in ended.said


def test_nobody_there(graft, cluster):
    cluster.profile.write_text(cluster.profile.read_text().replace(cluster.server.url, "http://127.0.0.1:9"))
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "can't be reached" in ended.said) == (1, True)


def test_an_unknown_run(graft, cluster):
    for command in ("status", "cancel"):
        ended = graft(command, "nobody", *cluster.options)
        assert (ended.code, "HTTP 404" in ended.said) == (1, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "photos"], "--source photos is on this machine"),
        (["--source", "file:///photos"], "--source file:///photos is on this machine"),
        (["--weights", "weights.h5"], "--weights weights.h5 is on this machine"),
        (["--store", "runs/store"], "--store runs/store is on this machine"),
        (["--source", "https://user:S3CRET@host/a.zip"], "--source https://host/a.zip holds a user name, password"),
        (["--source", "https://host/a.zip?sig=S3CRET"], "--source https://host/a.zip holds a user name, password"),
        (["--store", "gs://user:S3CRET@b/store"], "--store gs://b/store holds a user name, password"),
        (["--source", "photos", "--upload"], "--upload needs a store"),
        (["--source", "nowhere", "--upload", "--store", "memory://s"], "nowhere doesn't exist"),
        (["--recipe", "none"], "recipe"),
        (["--config", "{"], "--config is not JSON"),
        (["--config", '{"ingest": {"corrections": "said.csv"}}'], "The corrections said.csv are on this machine"),
        (["--name", "a/b", "--store", "gs://b/s"], "'a/b' can't be a name"),
    ],
)
def test_what_would_not_do_on_a_cluster_is_refused_before_anything_is_sent(graft, cluster, options, said):
    ended = graft("submit", *cluster.options, *options)
    assert (ended.code, said in ended.said) == (1, True), ended.said
    assert "S3CRET" not in ended.said
    assert cluster.server.asked == []


def test_weights_inside_the_image_are_no_local_path(graft, cluster):
    run = graft("submit", *cluster.options, "--weights", "/opt/weights/w.h5").out.split()[0]
    assert cluster.parameters(run)["weights"] == "/opt/weights/w.h5"


def test_local_inputs_are_copied_into_the_store_once(graft, cluster, bucket, tmp_path):
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "cats" / "a [1]*é.jpg").write_bytes(b"cat")
    (tmp_path / "photos.zip").write_bytes(b"zip")
    options = [*cluster.options, "--store", f"{bucket}/store", "--upload"]
    fs = fsspec.filesystem("gs")
    for path, inside in (("photos", "/cats/a [1]*é.jpg"), ("photos.zip", "")):
        run = graft("submit", *options, "--source", path).out.split()[0]
        source = cluster.parameters(run)["source"]
        assert source.startswith(f"{bucket}/store/uploads/") and source.endswith(f"/{path}")
        assert fs.cat_file(f"{source}{inside}") == (tmp_path / f"{path}{inside}").read_bytes()
    ended = graft("submit", *options, "--source", "photos.zip")
    assert "is in the store already" in ended.said
    assert cluster.parameters(ended.out.split()[0])["source"] == source


def test_a_copy_that_broke_off_is_made_again(graft, cluster, tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / "photos" / "cats").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "cats" / f"{name}.jpg").write_bytes(name.encode())
    fs = fsspec.filesystem("memory")
    put, count = type(fs).put_file, []

    def break_off(self, *arguments, **options):
        count.append(1)
        if len(count) == 2:
            raise OSError("connection reset")
        return put(self, *arguments, **options)

    monkeypatch.setattr(type(fs), "put_file", break_off)
    options = [
        "submit",
        *cluster.options,
        "--store",
        f"memory://broken-off-{cluster.target}",
        "--upload",
        "--source",
        "photos",
    ]
    assert graft(*options).code == 1
    assert cluster.server.runs == {}
    source = cluster.parameters(graft(*options).out.split()[0])["source"]
    assert sorted(path.rpartition("/")[2] for path in fs.find(source)) == ["a.jpg", "b.jpg", "c.jpg"]


def test_other_weights_are_refused_before_they_are_copied(graft, cluster, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"no weights")
    ended = graft("submit", *cluster.options, "--weights", "weights.h5", "--upload", "--store", "memory://weights")
    assert (ended.code, "is not a Keras weights file" in ended.said) == (1, True)


@pytest.mark.parametrize(
    "cluster", ["kubeflow"], indirect=True
)  # Vertex keeps none: the compiled one goes with each run
def test_a_pipeline_is_uploaded_once_and_again_when_it_changed(graft, cluster):
    for _ in range(2):
        graft("submit", *cluster.options, *SOURCE)
    assert (len(cluster.server.pipelines), len(cluster.server.versions), len(cluster.server.runs)) == (1, 1, 2)
    cluster.profile.write_text(cluster.profile.read_text() + "store: gs://b/other\n")
    graft("submit", *cluster.options, *SOURCE)
    assert (len(cluster.server.pipelines), len(cluster.server.versions), len(cluster.server.runs)) == (1, 2, 3)
    (experiment,) = cluster.server.experiments.values()
    assert experiment["display_name"] == "graft"


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_an_archived_experiment_is_told_of(graft, cluster):
    assert "archived" not in graft("submit", *cluster.options, *SOURCE).said
    (experiment,) = cluster.server.experiments.values()
    experiment["storage_state"] = "ARCHIVED"
    ended = graft("submit", *cluster.options, *SOURCE)
    assert (ended.code, "experiment graft is archived: Kubeflow's pages don't list its runs" in ended.said) == (0, True)


@pytest.mark.parametrize("cluster", ["kubeflow"], indirect=True)
def test_two_at_once_upload_it_once(graft, cluster):
    for path in ("POST .*/experiments", "POST .*/pipelines$", "POST .*/upload_version"):
        cluster.server.slow(path, seconds=0.3)
    from graft.pipelines.cluster.connecting import Cluster, connect
    from graft.pipelines.cluster.profile.reading import read_profile

    where = Cluster("kubeflow", cluster.profile)
    profile = read_profile(cluster.profile, "kubeflow")
    with submitting.packaged(profile, where) as package:
        threads = [
            threading.Thread(
                target=lambda n=n: connect(where, profile).submit(package, Parameters("gs://a"), f"run {n}")
            )
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
    assert len(cluster.server.versions) == 1
    assert len(cluster.server.runs) == 2
    assert json.dumps(list(cluster.server.pipelines))
