#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu.sh --build: compiles the GPU's test programs into build-gpu/cadmus-gpu, a folder to copy to a machine with a GPU, and
# packs it as build-gpu/cadmus-gpu.tar.xz. Needs nvcc and no GPU.
# gpu.sh --run [RESULTS]: the stage *truth* on this machine's GPU: probe, correctness smallest first, determinism, training,
# sanitizers where the tool exists, smoke speeds. Each group is a process of its own with a time limit; a JSON line per case
# in RESULTS/truth.jsonl, as soon as it ends. Needs no compiler, no network and no Open MPI. Exits with 77 without a GPU.
# Two ranks on the GPU over NCCL run where CADMUS_NCCL_FOLDER holds libnccl.so.2 of 2.30 or newer.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
shared=$here/gpu_folder.sh programs=$here # in the folder that was packed
[[ -e $shared ]] || shared=$here/support/gpu_folder.sh programs=$here/../build-gpu/cadmus-gpu
# shellcheck source=tests/support/gpu_folder.sh
source "$shared"

build() {
  cd "$here/.."
  # shellcheck source=tests/support/open_mpi_folder.sh
  source tests/support/open_mpi_folder.sh
  fill_gpu_folder cadmus-gpu tests/gpu.sh kernels_gpu_test collectives_gpu_test collectives_gpu_mpi_test launch_gpu_test \
    gpu_speed
  pack_open_mpi build-gpu/cadmus-gpu
  pack_gpu_folder cadmus-gpu
}

# The contract of communicators over mpirun's ranks, which share the GPU: staged over MPI, and over NCCL, for which sharing
# is an experiment: where it hangs it has not been run.
mpi_ranks() {
  local ranks=("$programs/mpirun.sh" 2 "$programs/collectives_gpu_mpi_test") nccl=${CADMUS_NCCL_FOLDER:-$programs/lib} minor
  group mpi_staging 60 "${ranks[@]}" --gtest_filter='-*Nccl*'
  minor=$(grep -aoE 'NCCL version 2\.[0-9]+' "$nccl/libnccl.so.2" 2> /dev/null | head -1 | cut -d. -f2) || true
  if ((${minor:-0} >= 30)); then
    hangs="not run" libraries=$nccl:$libraries NCCL_MULTI_RANK_GPU_ENABLE=1 NCCL_MAX_CTAS=4 \
      group nccl_two_ranks 60 "${ranks[@]}" --gtest_filter='*Nccl*'
  else
    not_run nccl_two_ranks "no NCCL 2.30 or newer in $nccl"
  fi
}

run() {
  start_stage truth "$1" "$programs"
  local binary=$programs/kernels_gpu_test training=$programs/launch_gpu_test named='' speeds tool
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
  suite cudnn_attention 60 'Cudnn*'
  suite bf16 90 'Bf16*'
  suite others 90 "*-${named#:}"
  # Determinism: each of these compares three runs.
  group determinism 90 "$binary" --gtest_repeat=34 --gtest_filter='*BitsDoNotDepend*:*GivesTheSameBits*'
  group collectives_gpu_test 90 "$programs/collectives_gpu_test" --jsonl="$jsonl"
  mpi_ranks
  group resume 30 "$training" --jsonl="$jsonl" --gtest_filter='ResumeOnDevice.*'
  group loss_curve 45 "$training" --jsonl="$jsonl" --gtest_filter='LossCurve.*'
  group gpt2 45 "$training" --jsonl="$jsonl" --gtest_filter='Gpt2.*'
  group memory 30 "$training" --jsonl="$jsonl" --gtest_filter='Gpt2Memory.*'
  group layouts 90 "$training" --jsonl="$jsonl" --gtest_filter='LayoutsOnOneDevice.*'
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
