"""Single steps by plain `docker run`, and the pipeline by the docker runner, against the same without Docker."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from docker_tools import GRAFT, UNPRIVILEGED, docker, run
from evaluations import EVALUATION, METRICS

from graft.pipelines.local.sample import draw_sample

pytestmark = pytest.mark.docker
QUICK = '{"train": {"cut": "activation", "image_size": 75, "epochs": 3, "batch_size": 20}}'


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "cats and dogs"
    draw_sample(folder, images=60)
    return folder


@pytest.mark.photographs
@pytest.mark.slow
def test_the_five_steps_locked_down_and_the_runner_give_what_a_run_without_docker_gives(
    contained, step, work, pretrained, tmp_path_factory
):
    plain = tmp_path_factory.mktemp("plain")
    without = run(plain, *contained.inputs, command=(GRAFT, "run", "--json"))
    assert without.returncode == 0, without.stderr
    expected, got, source = json.loads(without.stdout), contained.content, contained.source
    assert got["accuracy"] == expected["accuracy"]
    assert got["dataset"] == expected["dataset"]

    step("ingest", "--source", f"/in/{source.name}", "--output", "/data/dataset", mounts=[source])
    weights = ["--weights", f"/in/{pretrained.name}", "--cut", "mixed4", "--image-size", "128"]
    step("train", "--dataset", "dataset", "--output", "model", *weights, mounts=[pretrained])
    step("evaluate", "--model", "model", "--dataset", "dataset", "--output", "evaluation")
    step("gate", "--evaluation", "evaluation", "--output", "decision", "--min-accuracy", "0.5")
    inputs = ["--model", "model", "--dataset", "dataset", "--evaluation", "evaluation", "--decision", "decision"]
    step("export", *inputs, "--formats", "onnx", "--formats", "litert-int8", "--output", "export")
    owners = {path.stat().st_uid for path in work.rglob("*")}
    assert owners == {UNPRIVILEGED if os.getuid() == 0 else os.getuid()}
    assert json.loads((work / "dataset" / "dataset.json").read_text())["digest"] == expected["dataset"]["digest"]

    def predictions(folder):
        rows = pq.read_table(f"{folder}/predictions.parquet").to_pydict()
        return dict(zip(rows["sha256"], rows["probability_dogs"], strict=True))

    reference = predictions(expected["steps"]["evaluate"]["output"])
    for folder in (got["steps"]["evaluate"]["output"], work / "evaluation"):
        found = predictions(folder)
        assert found.keys() == reference.keys()
        assert max(abs(found[sha256] - reference[sha256]) for sha256 in reference) < 1e-5


def test_any_user_can_show_the_help_in_a_locked_down_container(step):
    assert "Grafts a new classification head" in step("--help").stdout


def test_a_failed_gate_has_its_exit_code_and_leaves_its_decision(step, work):
    (work / "evaluation").mkdir()
    record = EVALUATION | {"metrics": METRICS | {"accuracy": 0.5}}
    (work / "evaluation" / "evaluation.json").write_text(json.dumps(record))
    result = step("gate", "--evaluation", "evaluation", "--output", "decision", check=False)
    assert result.returncode == 3
    assert "accuracy 0.5000 is below the required 0.9" in result.stderr
    assert json.loads((work / "decision" / "decision.json").read_text())["passed"] is False


def test_a_stopped_container_clears_away_what_it_began(image, work, pictures):
    """As pid 1 a process ignores SIGTERM unless it handles it, and Docker would kill it after ten seconds."""
    many = work / "many"
    for number in range(60):
        shutil.copytree(pictures, many, dirs_exist_ok=True, copy_function=lambda a, b, n=number: copy_as(a, b, n))
    name = f"graft-test-{os.getpid()}"
    command = ["run", "--detach", "--name", name, f"--user={os.getuid()}:{os.getgid()}", f"--volume={work}:/data"]
    docker(*command, image, "ingest", "--source", "many", "--output", "dataset")
    try:
        wait_for(lambda: list(work.glob("dataset/*.tfrecord")))
        docker("stop", "--time", "20", name)
        state = json.loads(docker("inspect", "--format", "{{json .State}}", name).stdout)
        assert state["ExitCode"] == 130
        assert not (work / "dataset").exists()
    finally:
        docker("rm", "--force", name)


def copy_as(source, target, number):
    path, dot, suffix = target.rpartition(".")
    shutil.copyfile(source, f"{path}-{number}{dot}{suffix}")


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_a_step_that_must_fail_is_never_reported_as_success(image, tmp_path):
    """kfp's DockerRunner itself reports some failed containers as success (kubeflow/pipelines #13332)."""
    times = int(os.environ.get("GRAFT_TEST_FAILURES", "4"))
    empty = tmp_path / "empty"
    empty.mkdir()
    # Several at once: they wait for their containers rather than compute.
    with ThreadPoolExecutor(4) as threads:
        results = threads.map(lambda _: run(tmp_path, "--source", empty, "--weights", "random"), range(times))
    for result in results:
        assert result.returncode == 1, result.stderr
        assert json.loads(result.stdout)["status"] == "failed"
        assert "has no images in class folders" in result.stderr.strip().splitlines()[-1]
    assert len(list(tmp_path.glob("runs/*/run.json"))) == times


def containers_of(folder):
    run_ids = {path.name for path in folder.glob("runs/*") if path.name != "store"}
    return [
        name
        for run_id in run_ids
        for name in docker("ps", "-q", "--filter", f"label=graft.run={run_id}").stdout.split()
    ]


def test_a_killed_container_is_named_and_nothing_is_exported(image, tmp_path, pictures):
    killed = threading.Event()

    def kill():
        def training():
            return list(tmp_path.glob("runs/*/graft-*/train/model/.unfinished"))

        wait_for(training, seconds=120)
        for container in containers_of(tmp_path):
            docker("kill", container)
        killed.set()

    thread = threading.Thread(target=kill)
    thread.start()
    result = run(tmp_path, "--source", pictures, "--weights", "random", "--config", QUICK)
    thread.join()
    assert killed.is_set()
    assert result.returncode == 1
    assert "train: left no record; it was killed" in result.stderr.strip().splitlines()[-1]
    assert json.loads(result.stdout)["export"] is None
    assert not list(tmp_path.glob("runs/**/training.json"))
    assert not list(tmp_path.glob("runs/**/SHA256SUMS"))


def test_out_of_memory_is_named_and_nothing_is_exported(image, tmp_path, pictures):
    result = run(tmp_path, "--source", pictures, "--weights", "random", "--config", QUICK, "--memory", "300m")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "train: left no record; it was killed, ran out of memory" in last
    assert result.stderr.index("ingest: done") < result.stderr.index("train: running"), "a step tells when it is done"
    assert json.loads(result.stdout)["export"] is None


def test_a_full_disk_is_named_and_nothing_is_left_half_written(image, tmp_path, pictures):
    disk = tmp_path / "disk"
    disk.mkdir()
    small = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if small.returncode:
        pytest.skip("a small disk can't be mounted without root")
    try:
        elsewhere = ["--store", tmp_path / "store"]
        larger = QUICK.replace('"activation"', '"mixed0"')  # a model that the disk has no room for
        inputs = ["--source", pictures, "--weights", "random", "--config", larger]
        result = run(tmp_path, *inputs, "--runs", disk, *elsewhere)
        assert result.returncode == 1
        assert "No space left on device" in result.stderr.strip().splitlines()[-1]
        assert not list(disk.glob("**/SHA256SUMS"))
        finished = {path.name for path in disk.glob("*/graft-*/*/*/*.json")}
        assert "training.json" not in finished
        assert not list(disk.glob("*/graft-*/train/model/*"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_interrupted_run_stops_its_containers(image, tmp_path, pictures):
    command = [GRAFT, "run", "--runner", "docker", "--source", pictures, "--weights", "random", "--config", QUICK]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(tmp_path.glob("runs/*/graft-*/train/model/.unfinished")), seconds=120)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in stderr
    wait_for(lambda: not containers_of(tmp_path), seconds=10)
    assert list(tmp_path.glob("runs/store/models/model/runs/*/cancelled.json"))


def test_a_missing_image_is_named_with_the_remedy(image, tmp_path, pictures):
    result = run(tmp_path, "--source", pictures, "--weights", "random", "--image", "graft:nowhere")
    assert result.returncode == 1
    assert "There is no image graft:nowhere here: build it with `make images`" in result.stderr


@pytest.mark.photographs
@pytest.mark.slow
def test_parts_in_containers_side_by_side_make_what_the_steps_make_alone(contained, tmp_path):
    folder = tmp_path / "photographs"
    with zipfile.ZipFile(contained.source) as archive:  # one file is read by one step
        archive.extractall(folder)
    result = run(tmp_path, "--source", folder, *contained.inputs[2:], "--min-accuracy", "0.9999", "--parts", "2")
    assert result.returncode == 3, result.stderr
    made = [of_the_steps_with_parts(content) for content in (contained.content, json.loads(result.stdout))]
    assert made[0] == made[1]
    ended = sorted(path.parent.name for path in tmp_path.glob("runs/store/models/model/runs/*/parts/*/[12].json"))
    assert ended == sorted(["ingest", "train", "evaluate"] * 2)


def of_the_steps_with_parts(content):
    steps = {name: content["steps"][name] for name in ("ingest", "train", "evaluate")}
    evaluation = Path(steps["evaluate"]["output"])
    digest = json.loads((evaluation / "evaluation.json").read_text())["model_digest"]
    summaries = {name: step["summary"] for name, step in steps.items()}
    return summaries, digest, pq.read_table(evaluation / "predictions.parquet").to_pylist()
