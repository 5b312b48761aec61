# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/gpu.sh and benchmarks/gpu.sh, and packed with them: how a folder of GPU programs is made that runs on any
# Linux with glibc 2.36, an NVIDIA driver and CUDA 13's cuBLAS, and how a stage of groups runs there.

fail() { echo "gpu.sh: $*" >&2; exit 1; }

# copy_libraries BINARY FOLDER: those that it needs. Never glibc and libstdc++, which must be the machine's own; cuBLAS is
# looked for there, being too large to carry.
copy_libraries() {
  local library path
  ldd "$1" | awk '$3 ~ /^\// {print $1, $3}' | while read -r library path; do
    case $library in
      libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | libstdc++.so* | libgcc_s.so* | libcublasLt.so*) ;;
      libcuda.so*) fail "$1 links libcuda: it must load it by name" ;;
      *) cp -L "$path" "$2/$library" ;;
    esac
  done
}

# fill_gpu_folder NAME SCRIPT PROGRAM...: builds the programs (targets of the preset cuda-compile), and puts them with
# SCRIPT into build-gpu/NAME. Needs nvcc and no GPU. In the root of the repository, as pack_gpu_folder.
fill_gpu_folder() {
  local name=$1 script=$2 folder=build-gpu/$1 program
  shift 2
  cmake --preset cuda-compile -DCADMUS_TESTS=ON
  cmake --build --preset cuda-compile -j "$(nproc)" --target "$@"
  rm -rf "$folder" "$folder.tar.xz"
  mkdir -p "$folder/lib"
  cp "$script" tests/support/gpu_folder.sh "$folder"
  for program in "$@"; do
    cp "build-cuda-compile/bin/$program" "$folder"
    strip "$folder/$program"
    copy_libraries "build-cuda-compile/bin/$program" "$folder/lib"
  done
  git rev-parse HEAD > "$folder/commit"
  [[ -z $(git status --porcelain) ]] || echo "with changes" >> "$folder/commit"
  # What kernels/cuda/kernel_states.txt and benchmarks/gpu_queue.md say of a kernel that this folder proves.
  sed -nE 's/^ *\{"[^"]*", "([^"]*)", .*"([0-9a-f]{16})"\},$/\2 \1/p' \
    build-cuda-compile/kernels/ops/gpu_kernel_table.cc > "$folder/sources"
}

# pack_gpu_folder NAME: what was filled, as build-gpu/NAME.tar.xz.
pack_gpu_folder() {
  local folder=build-gpu/$1 bytes
  XZ_OPT=-T0 tar -C build-gpu -cJf "$folder.tar.xz" "$1"
  bytes=$(stat -c %s "$folder.tar.xz")
  ((bytes < 50000000)) || fail "$folder.tar.xz has $bytes bytes: it must stay under 50 MB"
  echo "$folder.tar.xz: $bytes bytes"
}

# find_library SONAME: its folder: a toolkit's, the loader's, or that of a Python environment.
find_library() {
  local folder
  for folder in "${CUDA_HOME:-/usr/local/cuda}"/lib{64,} /usr/local/cuda-13*/lib{64,}; do
    [[ -e $folder/$1 ]] && { echo "$folder"; return; }
  done
  folder=$(ldconfig -p 2> /dev/null | awk -v soname="$1" '$1 == soname {print $NF; exit}')
  [[ -n $folder ]] && { dirname "$folder"; return; }
  python3 -c 'import sys; print("\n".join(sys.path))' 2> /dev/null | while read -r folder; do
    if [[ -d $folder/nvidia ]]; then find "$folder/nvidia" -name "$1" -printf '%h\n'; fi
  done | head -1 || true
}

# start_stage NAME RESULTS PROGRAMS: from here on, what groups find goes to RESULTS/NAME.jsonl, what they print to
# RESULTS/NAME.log. PROGRAMS is the folder that pack_gpu_folder made.
start_stage() {
  stage=$1 programs=$3
  [[ -d $programs/lib ]] || fail "no programs beside this script or in build-gpu: gpu.sh --build makes them"
  libraries=$(find_library libcublasLt.so.13)
  [[ -n $libraries ]] || fail "libcublasLt.so.13 was not found: install CUDA 13 or set CUDA_HOME"
  local cudnn # what wants it says so where it is missing
  cudnn=$(find_library libcudnn.so.9)
  libraries+=${cudnn:+:$cudnn}
  mkdir -p "$2"
  results=$(cd "$2" && pwd)
  jsonl=$results/$stage.jsonl log=$results/$stage.log broken=0
  # For what the packed libraries need themselves: a program's rpath finds only its own.
  export LD_LIBRARY_PATH=$programs/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  echo "{\"stage\": \"$stage\", \"commit\": \"$(paste -sd ' ' "$programs/commit")\", \"date\": \"$(date -u +%FT%TZ)\"}" > "$jsonl"
  { cat "$programs/sources"; nvidia-smi || echo "no nvidia-smi"; } > "$log" 2>&1
}

# not_run GROUP WHY
not_run() {
  echo "{\"group\": \"$1\", \"result\": \"not run: $2\"}" >> "$jsonl"
  echo "$1: not run: $2"
}

limit_of_stage=460 # of the 480 s that a stage may take

# group NAME SECONDS COMMAND...: one process with a limit. The whole script ends with 77 where it finds no GPU. Where
# `hangs` is "not run", a group that reaches its limit counts as that.
group() {
  local name=$1 seconds=$2 left=$((limit_of_stage - SECONDS)) started=$SECONDS status=0
  shift 2
  if ((left < 5)); then
    not_run "$name" "out of time"
    broken=$((broken + 1))
    return
  fi
  LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    timeout -k 5 "$((seconds < left ? seconds : left))" "$@" >> "$log" 2>&1 || status=$?
  if ((status == 77)); then
    tail -1 "$log"
    exit 77
  fi
  if [[ ${hangs:-} == "not run" ]] && ((status == 124 || status == 137)); then
    not_run "$name" "hangs"
    return
  fi
  echo "{\"group\": \"$name\", \"exit\": $status, \"seconds\": $((SECONDS - started))}" >> "$jsonl"
  echo "$name: exit $status, $((SECONDS - started)) s"
  ((status == 0)) || broken=$((broken + 1))
}

# The last line of a stage; fails where a group did.
end_stage() {
  count() { grep -c "$1" "$jsonl" || true; }
  echo "$stage: $(count '"result": "passed"') passed, $(count '"result": "failed"') failed," \
    "$(count '"result": "skipped"') skipped, $(count '"control_ratio"') speeds" \
    "($(count '"trusted":false') not trusted), $broken groups not clean"
  ((broken == 0))
}
