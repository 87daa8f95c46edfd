#!/usr/bin/env bash
# Makes a base image with Python from Debian's packages, for sites where no image registry answers.
#
#   images/base.sh TAG
#
# Needs root (or sudo), debootstrap (it is installed if apt-get is there) and a Docker Engine.
set -euo pipefail

tag=${1:?usage: images/base.sh TAG}
sudo=$([ "$(id -u)" = 0 ] || echo sudo)

if ! command -v debootstrap >/dev/null; then
    echo "Installing debootstrap …"
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi

work=$(mktemp -d)
trap '$sudo rm -rf "$work"' EXIT
echo "Making $tag from Debian's packages (one to two minutes) …"
$sudo debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$work/rootfs" >"$work/log" 2>&1 ||
    { tail -20 "$work/log" >&2; exit 1; }

# debootstrap takes the release as it came out, from the mirror that it notes; what was mended since lies there too.
read -r _ mirror _ <"$work/rootfs/etc/apt/sources.list"
printf 'deb %s main\n' "$mirror bookworm" "$mirror bookworm-updates" "${mirror%/}-security bookworm-security" |
    $sudo tee "$work/rootfs/etc/apt/sources.list" >/dev/null
$sudo chroot "$work/rootfs" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get upgrade -y -qq' >"$work/log" 2>&1 ||
    { tail -20 "$work/log" >&2; exit 1; }
$sudo rm -rf "$work"/rootfs/var/cache/apt/* "$work"/rootfs/var/lib/apt/lists/* "$work"/rootfs/usr/share/{doc,man,locale}/*
$sudo tar -C "$work/rootfs" -c . | docker import - "$tag" >/dev/null
echo "$tag is made."
