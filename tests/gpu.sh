#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu.sh --build: compiles the GPU's test programs into build-gpu/cadmus-gpu, a folder to copy to a machine with a GPU, and
# packs it as build-gpu/cadmus-gpu.tar.xz. Needs nvcc and no GPU.
# gpu.sh --run [RESULTS]: the stage *truth* on this machine's GPU: probe, correctness smallest first, determinism, sanitizers
# where the tool exists, smoke speeds. Each group is a process of its own with a time limit; a JSON line per case in
# RESULTS/truth.jsonl, as soon as it ends. Needs no compiler and no network. Exits with 77 without a GPU.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
shared=$here/gpu_folder.sh programs=$here # in the folder that was packed
[[ -e $shared ]] || shared=$here/support/gpu_folder.sh programs=$here/../build-gpu/cadmus-gpu
# shellcheck source=tests/support/gpu_folder.sh
source "$shared"

# Test programs besides kernels_gpu_test, each run whole as a group of its name; they know --jsonl=FILE and exit with 77
# where there is no GPU (tests/kernels/gpu/gpu_main.cc).
further_tests=(collectives_gpu_test)

build() {
  cd "$here/.."
  pack_gpu_folder cadmus-gpu tests/gpu.sh kernels_gpu_test gpu_speed "${further_tests[@]}"
}

run() {
  start_stage truth "$1" "$programs"
  local binary=$programs/kernels_gpu_test named='' further speeds tool
  # suite NAME SECONDS FILTER
  suite() {
    named+=:$3
    group "$1" "$2" "$binary" --jsonl="$jsonl" --gtest_filter="$3"
  }

  # Correctness, smallest first.
  suite device 60 '*DeviceTest*:OpenDevice*'
  suite cast 30 'Cast*'
  suite reduce 30 'Reduce*:ClipFactor*'
  suite swiglu 30 'SwiGlu*'
  suite gelu 30 'Gelu*'
  suite rope 30 'Rope*'
  suite rms_norm 45 'RmsNorm*'
  suite head_norm 45 'HeadNorm*'
  suite layer_norm 45 'LayerNorm*'
  suite bias_gradient 30 'BiasGradient*'
  suite dropout 45 'Dropout*'
  suite adamw 45 'AdamW*'
  suite embedding 45 'Embedding*'
  suite cross_entropy 60 'CrossEntropy*'
  suite gemm 90 'Gemm*'
  suite attention 90 'Attention*'
  suite bf16 90 'Bf16*'
  suite others 90 "*-${named#:}"
  for further in "${further_tests[@]}"; do
    group "$further" 120 "$programs/$further" --jsonl="$jsonl"
  done
  # Determinism: each of these compares three runs.
  group determinism 90 "$binary" --gtest_repeat=34 --gtest_filter='*BitsDoNotDepend*:*GivesTheSameBits*'
  # Memory and races, where the tool exists; on the smaller suites, which it slows down a hundredfold.
  if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck initcheck synccheck racecheck; do
      group "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 3 "$binary" \
        --gtest_filter='*MatchesFiniteDifferences*:*AgreesWithFiniteDifferences*:*ByHand*:*Fails*'
    done
  else
    echo '{"group": "sanitizer", "result": "not run: no compute-sanitizer"}' >> "$jsonl"
    echo "sanitizer: not run: no compute-sanitizer on this machine"
  fi
  for speeds in memory_bound gemm attention; do
    group "smoke_$speeds" 60 "$programs/gpu_speed" "$speeds" "$jsonl" --smoke
  done
  end_stage
}

case ${1:-} in
  --build) build ;;
  --run) run "${2:-gpu-results}" ;;
  *) echo "usage: tests/gpu.sh --build | --run [RESULTS]" >&2; exit 2 ;;
esac
