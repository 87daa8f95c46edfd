"""The benchmark of GPUs runs, small, wherever the tests do."""

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
