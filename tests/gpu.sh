#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpu.sh --build: compiles the GPU test binary into build-gpu/cadmus-gpu, a folder that runs on any Linux with glibc
# 2.36, an NVIDIA driver and CUDA 13's cuBLAS, and packs it as build-gpu/cadmus-gpu.tar.xz. Needs nvcc and no GPU.
# gpu.sh --run [RESULTS]: runs it on this machine's GPU, smallest first, each group in a process of its own with a time
# limit; a JSON line per case in RESULTS/truth.jsonl. Needs no compiler and no network. Exits with 77 without a GPU.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() { echo "gpu.sh: $*" >&2; exit 1; }

build() {
  cd "$here/.."
  local folder=build-gpu/cadmus-gpu
  cmake --preset cuda-compile -DCADMUS_TESTS=ON
  cmake --build --preset cuda-compile -j "$(nproc)" --target kernels_gpu_test
  rm -rf build-gpu
  mkdir -p "$folder/lib"
  cp build-cuda-compile/bin/kernels_gpu_test tests/gpu.sh "$folder"
  strip "$folder/kernels_gpu_test"
  git rev-parse HEAD > "$folder/commit"
  git diff --quiet HEAD || echo "with changes" >> "$folder/commit"
  # Never glibc and libstdc++, which must be the machine's own; cuBLAS is looked for there, being too large to carry.
  local library
  ldd "$folder/kernels_gpu_test" | awk '$3 ~ /^\// {print $1, $3}' | while read -r library path; do
    case $library in
      libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | libstdc++.so* | libgcc_s.so* | libcublasLt.so*) ;;
      libcuda.so*) fail "the binary links libcuda: it must load it by name" ;;
      *) cp -L "$path" "$folder/lib/$library" ;;
    esac
  done
  tar -C build-gpu -cJf build-gpu/cadmus-gpu.tar.xz cadmus-gpu
  local bytes
  bytes=$(stat -c %s build-gpu/cadmus-gpu.tar.xz)
  ((bytes < 50000000)) || fail "build-gpu/cadmus-gpu.tar.xz has $bytes bytes: it must stay under 50 MB"
  echo "build-gpu/cadmus-gpu.tar.xz: $bytes bytes"
}

# The folder of libcublasLt.so.13: a toolkit's, the loader's, or that of a Python environment.
find_cublas() {
  local folder
  for folder in "${CUDA_HOME:-/usr/local/cuda}"/lib64 /usr/local/cuda-13*/lib64; do
    [[ -e $folder/libcublasLt.so.13 ]] && { echo "$folder"; return; }
  done
  folder=$(ldconfig -p 2> /dev/null | awk '/libcublasLt\.so\.13 / {print $NF; exit}')
  [[ -n $folder ]] && { dirname "$folder"; return; }
  python3 -c 'import sys; print("\n".join(sys.path))' 2> /dev/null | while read -r folder; do
    [[ -d $folder/nvidia ]] && find "$folder/nvidia" -name libcublasLt.so.13 -printf '%h\n'
  done | head -1
}

run() {
  local results=$1 binary=$here/kernels_gpu_test cublas
  [[ -x $binary ]] || binary=$here/../build-gpu/cadmus-gpu/kernels_gpu_test
  [[ -x $binary ]] || fail "no kernels_gpu_test beside this script or in build-gpu: gpu.sh --build makes it"
  cublas=$(find_cublas)
  [[ -n $cublas ]] || fail "libcublasLt.so.13 was not found: install CUDA 13 or set CUDA_HOME"
  mkdir -p "$results"
  results=$(cd "$results" && pwd)
  local jsonl=$results/truth.jsonl log=$results/truth.log broken=0 status started
  : > "$jsonl"
  : > "$log"
  local limit_of_all=460 # of the 480 s that this stage may take

  # group NAME SECONDS COMMAND...: one process; what it prints goes to the log.
  group() {
    local name=$1 seconds=$2
    shift 2
    local left=$((limit_of_all - SECONDS))
    if ((left < 5)); then
      echo "{\"group\": \"$name\", \"result\": \"not run: out of time\"}" >> "$jsonl"
      echo "$name: not run: out of time"
      broken=$((broken + 1))
      return
    fi
    started=$SECONDS status=0
    LD_LIBRARY_PATH=$cublas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
      timeout -k 5 "$((seconds < left ? seconds : left))" "$@" >> "$log" 2>&1 || status=$?
    if ((status == 77)); then
      tail -1 "$log"
      exit 77
    fi
    echo "{\"group\": \"$name\", \"exit\": $status, \"seconds\": $((SECONDS - started))}" >> "$jsonl"
    echo "$name: exit $status, $((SECONDS - started)) s"
    ((status == 0)) || broken=$((broken + 1))
  }
  suite() { group "$1" "$2" "$binary" --jsonl="$jsonl" --gtest_filter="$3"; }

  # Correctness, smallest first.
  suite device 60 '*DeviceTest*:OpenDevice*'
  suite cast 30 'Cast*'
  suite reduce 30 'Reduce*:ClipFactor*'
  suite swiglu 30 'SwiGlu*'
  suite rope 30 'Rope*'
  suite rms_norm 45 'RmsNorm*'
  suite dropout 45 'Dropout*'
  suite adamw 45 'AdamW*'
  suite embedding 45 'Embedding*'
  suite cross_entropy 60 'CrossEntropy*'
  suite gemm 90 'Gemm*'
  suite attention 90 'Attention*'
  # Determinism: each of these compares three runs.
  group determinism 90 "$binary" --gtest_repeat=34 --gtest_filter='*BitsDoNotDepend*:*GivesTheSameBits*'
  # Memory and races, where the tool exists; on the smaller suites, which it slows down a hundredfold.
  local tool
  if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck initcheck synccheck racecheck; do
      group "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 3 "$binary" \
        --gtest_filter='*MatchesFiniteDifferences*:*AgreesWithFiniteDifferences*:*ByHand*:*Fails*'
    done
  else
    echo '{"group": "sanitizer", "result": "not run: no compute-sanitizer"}' >> "$jsonl"
    echo "sanitizer: not run: no compute-sanitizer on this machine"
  fi

  count() { grep -c "\"result\": \"$1\"" "$jsonl" || true; }
  echo "$(count passed) passed, $(count failed) failed, $(count skipped) skipped, $broken groups not clean"
  ((broken == 0))
}

case ${1:-} in
  --build) build ;;
  --run) run "${2:-gpu-results}" ;;
  *) echo "usage: tests/gpu.sh --build | --run [RESULTS]" >&2; exit 2 ;;
esac
