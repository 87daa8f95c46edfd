#!/bin/sh
# Has the dynamic linker find CUDA's libraries of a virtual environment, and a driver that is mounted later, in every process and whatever
# LD_LIBRARY_PATH is.
set -eu
venv=$1

ls -d "$venv"/lib/python3*/site-packages/nvidia/*/lib >/etc/ld.so.conf.d/graft-cuda.conf
ldconfig

# GKE mounts the driver when a container starts, under /usr/local/nvidia, where no cache of the linker knows it. This folder, which is one of
# the linker's own, is looked into each time. NVIDIA's container toolkit puts the driver into the folder above it.
hwcaps=/usr/lib/x86_64-linux-gnu/glibc-hwcaps
mkdir -p "$hwcaps"
ln -sT /usr/local/nvidia/lib64 "$hwcaps/x86-64-v2"
