"""What a process may use: limits of containers, by both versions of control groups, and of the scheduler."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow

from graft.components.common.compute import tensorflow as importing
from graft.components.common.compute.machine import cores, memory_limit

QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"
MEMORY = {
    "version 2": ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "1000", "memory.max": "2000"}, 1000),
    "version 2 in a container": ("0::/\n", {"memory.max": "3000"}, 3000),
    "version 1": ("4:memory:/a\n1:cpu:/\n0::/\n", {"memory/a/memory.limit_in_bytes": "4000"}, 4000),
    "version 1 in a container, which tells the host's path": (
        "4:memory:/docker/1\n",
        {"memory/memory.limit_in_bytes": "5000"},
        5000,
    ),
    "no limit": ("0::/a\n", {"a/memory.max": "max"}, None),
    "no control groups": (None, {}, None),
}
CORES = {
    "version 2": ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, 1),
    "version 2 in a container": ("0::/\n", {"cpu.max": "50000 100000"}, 1),
    "version 1": ("4:cpu,cpuacct:/a\n0::/\n", {f"cpu/a/{QUOTA}": "100000", f"cpu/a/{PERIOD}": "100000"}, 1),
    "version 1 in a container, which tells the host's path": (
        "4:cpu:/docker/1\n3:cpuset:/docker/1\n",
        {f"cpu/{QUOTA}": "20000", f"cpu/{PERIOD}": "100000"},
        1,
    ),
    "more than there are": ("0::/\n", {"cpu.max": "99900000 100000"}, None),
    "no limit of version 1": ("4:cpu:/a\n", {f"cpu/a/{QUOTA}": "-1", f"cpu/a/{PERIOD}": "100000"}, None),
    "no limit": ("0::/a\n", {"a/cpu.max": "max 100000"}, None),
    "lines of no control group, and a period of nothing": (
        "\nnonsense\n0:\n0::/\udcff\n",
        {"cpu.max": "100000 0"},
        None,
    ),
    "a group outside of the container": ("0::/../../a\n", {"cpu.max": "max 100000"}, None),
    "a folder for a file": ("0::/\n", {"cpu.max/cpu.max": "100000 100000"}, None),
    "no control groups": (None, {}, None),
}


@pytest.mark.parametrize(
    ("limit", "groups", "files", "expected"),
    [(memory_limit, *case) for case in MEMORY.values()] + [(cores, *case) for case in CORES.values()],
    ids=[f"memory, {name}" for name in MEMORY] + [f"cores, {name}" for name in CORES],
)
def test_the_container_tells_the_limit(tmp_path, limit, groups, files, expected):
    if groups is not None:
        (tmp_path / "groups").write_text(groups, errors="surrogateescape")
    for path, text in files.items():
        (tmp_path / "all" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / path).write_text(text + "\n")
    found = limit(str(tmp_path / "groups"), str(tmp_path / "all"))
    assert found == (expected or limit("/nothing", "/nothing"))


def test_a_part_of_a_core_counts_as_a_whole_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    (tmp_path / "groups").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert cores(str(tmp_path / "groups"), str(tmp_path)) == 3


def test_a_process_that_may_run_on_one_core_sees_one():
    code = "from graft.components.common.compute.machine import cores; print(cores())"
    alone = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert subprocess.run([sys.executable, "-c", f"{alone}; {code}"], check=True, capture_output=True).stdout == b"1\n"


def test_tensorflow_still_knows_what_it_is_told():
    (framework,) = tensorflow.sysconfig.get_link_flags()[1:]
    content = Path(tensorflow.sysconfig.get_lib(), framework.removeprefix("-l:")).read_bytes()
    assert all(name.encode() in content for name in (*importing._THREADS, *importing._MEMORY))
