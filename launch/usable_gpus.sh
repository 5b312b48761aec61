#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usable_gpus.sh: prints the number of GPUs that a build on this machine can train on: those of compute capability 8.0 or
# newer that the driver shows and CUDA_VISIBLE_DEVICES leaves, or 0 where nvcc of CUDA 13 or newer, on the PATH or in CUDACXX,
# is missing; stderr says why.
set -euo pipefail

num_gpus=0
if command -v nvidia-smi > /dev/null; then
  mapfile -t capabilities < <(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2> /dev/null | grep -E '^[0-9]' || true)
  num_gpus=${#capabilities[@]}
  for capability in "${capabilities[@]}"; do
    if ((${capability%%.*} < 8)); then
      echo "a GPU of compute capability $capability is too old, 8.0 is needed: the CPU is used" >&2
      num_gpus=0
    fi
  done
fi
if [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then
  num_visible=0
  IFS=, read -ra visible <<< "$CUDA_VISIBLE_DEVICES"
  for gpu in "${visible[@]}"; do
    [[ $gpu == -* ]] && break # it and what follows it are hidden
    num_visible=$((num_visible + 1))
  done
  if ((num_visible < num_gpus)); then num_gpus=$num_visible; fi
fi
if ((num_gpus > 0)); then
  nvcc=${CUDACXX:-nvcc}
  release=$("$nvcc" --version 2> /dev/null | sed -n 's/.*release \([0-9]*\)\..*/\1/p' || true)
  if ((${release:-0} < 13)); then
    echo "$num_gpus GPUs, but nvcc is ${release:+of CUDA }${release:-missing}, so the CPU is used; for the GPUs, install CUDA 13," \
      "put its nvcc on the PATH, and give the same command again" >&2
    num_gpus=0
  fi
fi
echo "$num_gpus"
