#!/usr/bin/env bash
# Locks the dependencies of pyproject.toml with hashes, for all platforms and Python versions it allows.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:-uv}

lock() {
    local output=requirements/$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --custom-compile-command "make lock" --output-file "$output" "$@"
}

lock dev.txt pyproject.toml --extra cpu --extra pipelines --extra vertex --extra kserve --extra s3 --extra heic --extra formats --extra tune --extra dev
# The others are subsets of it, at the same versions.
lock run.txt pyproject.toml --extra cpu --extra pipelines --extra s3 --extra heic --extra formats --extra tune -c requirements/dev.txt
lock run-gpu.txt pyproject.toml --extra gpu --extra pipelines --extra s3 --extra heic --extra formats --extra tune -c requirements/dev.txt
lock vertex.txt pyproject.toml --extra cpu --extra pipelines --extra vertex --extra s3 --extra heic --extra formats -c requirements/dev.txt
lock cpu.txt pyproject.toml --extra cpu --extra kserve --extra s3 --extra heic --extra formats -c requirements/dev.txt
lock gpu.txt pyproject.toml --extra gpu --extra kserve --extra s3 --extra heic --extra formats -c requirements/dev.txt
lock build.txt -c requirements/dev.txt requirements/build.in
lock no-deps.txt --no-deps -c requirements/dev.txt requirements/no-deps.in
lock dev-no-deps.txt --no-deps -c requirements/dev.txt requirements/dev-no-deps.in
# Servers that an export is tried in, each in a place of its own.
lock kserve.txt requirements/kserve.in
lock tensorflow-2.12.txt --no-deps requirements/tensorflow-2.12.in
# A registry that mirrors Graft's.
lock mlflow.txt requirements/mlflow.in
