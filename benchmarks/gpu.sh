#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu.sh --build: compiles the GPU's benchmark programs into build-gpu/cadmus-gpu-speed, a folder to copy to a machine with a
# GPU, and packs it as build-gpu/cadmus-gpu-speed.tar.xz. Needs nvcc and no GPU.
# gpu.sh --run [RESULTS] [record]: the stage *record* on this machine's GPU: every test, then every speed under the timing
# protocol, of a committed tree; RESULTS/record.jsonl.
# gpu.sh --run RESULTS experiments [GROUP...]: the stage *experiments*: speeds of the groups named (all: memory_bound gemm
# attention), of any tree; RESULTS/experiments.jsonl.
# Runs need no compiler and no network, and exit with 77 without a GPU.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
shared=$here/gpu_folder.sh programs=$here # in the folder that was packed
[[ -e $shared ]] || shared=$here/../tests/support/gpu_folder.sh programs=$here/../build-gpu/cadmus-gpu-speed
# shellcheck source=tests/support/gpu_folder.sh
source "$shared"

usage() {
  echo "usage: benchmarks/gpu.sh --build | --run [RESULTS] [record] | --run RESULTS experiments [GROUP...]" >&2
  exit 2
}

build() {
  cd "$here/.."
  fill_gpu_folder cadmus-gpu-speed benchmarks/gpu.sh kernels_gpu_test gpu_speed
  pack_gpu_folder cadmus-gpu-speed
}

# speeds GROUP...
speeds() {
  local name
  for name in "$@"; do group "$name" 240 "$programs/gpu_speed" "$name" "$jsonl"; done
}

record() {
  ! grep -qs 'with changes' "$programs/commit" || fail "record wants a committed tree: commit, and build again"
  start_stage record "$1" "$programs"
  group correctness 180 "$programs/kernels_gpu_test" --jsonl="$jsonl"
  speeds memory_bound attention gemm
  end_stage
}

experiments() {
  start_stage experiments "$1" "$programs"
  shift
  (($# > 0)) || set -- memory_bound gemm attention
  speeds "$@"
  end_stage
}

run() {
  local folder=${1:-gpu-results} kind=${2:-record}
  shift "$(($# < 2 ? $# : 2))"
  case $kind in
    record) record "$folder" ;;
    experiments) experiments "$folder" "$@" ;;
    *) usage ;;
  esac
}

case ${1:-} in
  --build) build ;;
  --run) shift; run "$@" ;;
  *) usage ;;
esac
