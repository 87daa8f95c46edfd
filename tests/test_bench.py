"""The benchmarks that need no photographs run, small, wherever the tests do."""

import json
import subprocess
import sys

import pytest
from support import ROOT


@pytest.mark.slow
def test_the_benchmark_of_gpus_runs_on_the_cpu(tmp_path):
    output = tmp_path / "gpu.json"
    subprocess.run(
        [sys.executable, ROOT / "tests/bench/gpu.py", "--small", "--output", output], check=True, capture_output=True
    )
    found = json.loads(output.read_text())
    assert found["limit"] == min(found["decode_rate"], max(found["bare_rate"], found["bare_rate_xla"]))
    assert found["given"]["features_to_limit"] > 0
    assert found["unfrozen"]["unfrozen_to_limit"] > 0


def test_the_benchmark_of_a_million_rows_runs_and_finds_what_is_planted():
    command = [sys.executable, ROOT / "tests/bench/scale.py", "--rows", "2000"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert found["missed_pairs"] == found["false_pairs"] == 0
    parts = ("plan", "twins", "index", "digest", "join", "reduce")
    assert all(found[f"{part}_seconds"] > 0 for part in parts) and found["peak_bytes"] > 0
