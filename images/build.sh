#!/usr/bin/env bash
# Builds an image of Graft: images/build.sh cpu|gpu TAG
#
# From the environment:
#   BASE_IMAGE  base image with Python 3.11 or later; by default the official slim image, or where that can't be had one made from
#               Debian's packages by images/base.sh
#   CA_BUNDLE   PEM file with certificates of the site's proxy or registries, kept in the image's trust store; where pip is told of
#               such a file (PIP_CERT), that one is taken
#   WEIGHTS     pretrained weights to put into /opt/weights, for clusters without internet
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?usage: images/build.sh cpu|gpu TAG} tag=${2:?usage: images/build.sh cpu|gpu TAG}
official=python:3.11-slim-bookworm local_base=graft-base:bookworm

bundle=${CA_BUNDLE:-${PIP_CERT:-}}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context"/{ca,weights,app}
# Only what the image needs, without caches: the context decides which layers are built again.
tar -c --exclude=__pycache__ --exclude='*.egg-info' pyproject.toml README.md LICENSE components pipelines src | tar -x -C "$context/app"
cp -r requirements images "$context"
if [ -n "$bundle" ]; then
    # One certificate a file, as update-ca-certificates wants them.
    awk -v folder="$context/ca" '/BEGIN CERT/ { n++ } n { print > (folder "/site-" n ".crt") }' "$bundle"
    ls "$context"/ca/*.crt >/dev/null 2>&1 || { echo "$bundle holds no PEM certificate." >&2; exit 1; }
fi
if [ -n "${WEIGHTS:-}" ]; then cp "$WEIGHTS" "$context/weights/"; fi
touch "$context/ca/.keep" "$context/weights/.keep"
chmod -R u=rwX,go=rX "$context"

if [ -z "${BASE_IMAGE:-}" ]; then
    if docker image inspect "$official" >/dev/null 2>&1 || docker pull --quiet "$official" >/dev/null 2>&1; then
        BASE_IMAGE=$official
    else
        echo "$official can't be had here: building on $local_base instead."
        docker image inspect "$local_base" >/dev/null 2>&1 || images/base.sh "$local_base"
        BASE_IMAGE=$local_base
    fi
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-$(docker buildx version >/dev/null 2>&1 && echo 1 || echo 0)} docker build --quiet \
    --file "$context/images/Dockerfile" --target "$target" --tag "$tag" \
    --build-arg BASE_IMAGE="$BASE_IMAGE" --label org.opencontainers.image.version="$version" "$context" >/dev/null
echo "$tag is built: $(docker image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%.2f GB", $1 / 1e9 }')."
