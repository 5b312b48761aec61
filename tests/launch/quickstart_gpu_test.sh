#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# quickstart_gpu_test.sh: what launch/quickstart.sh builds and trains on, with a driver, a compiler and a build that are
# scripts: the build's `cadmus` only writes down what it is asked for.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# stub NAME BODY: a program NAME on the PATH.
mkdir "$work/bin"
stub() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" > "$work/bin/$1"
  chmod +x "$work/bin/$1"
}
# A driver that shows GPUS GPUs of capability CAPABILITY, and nvcc of CUDA's release RELEASE.
stub nvidia-smi '[[ $* == *compute_cap* ]] && for ((i = 0; i < GPUS; ++i)); do echo "${CAPABILITY:-9.0}"; done'
stub nvcc '[[ -n $RELEASE ]] && echo "Cuda compilation tools, release $RELEASE.0, V$RELEASE.0.48"'
export PATH=$work/bin:$PATH

# expect_gpus NUMBER GPUS RELEASE [CUDA_VISIBLE_DEVICES]
expect_gpus() {
  local visible=() found
  if (($# == 4)); then visible=("CUDA_VISIBLE_DEVICES=$4"); fi
  found=$(env -u CUDA_VISIBLE_DEVICES -u CUDACXX "${visible[@]}" GPUS="$2" RELEASE="$3" bash "$repository/launch/usable_gpus.sh" 2> "$work/why")
  [[ $found == "$1" ]] || fail "$found GPUs usable of $2 with CUDA '$3', visible '${4-all}'; expected $1"
}
expect_gpus 0 0 13
expect_gpus 8 8 13
expect_gpus 8 8 14
expect_gpus 2 8 13 3,5
expect_gpus 1 1 13 0,1
expect_gpus 0 8 13 ''
expect_gpus 0 8 13 -1
expect_gpus 1 8 13 2,-1,3
CAPABILITY=12.0 expect_gpus 8 8 13
CAPABILITY=7.5 expect_gpus 0 8 13
grep -q 'capability 7.5 is too old' "$work/why" || fail "an old GPU is not named: $(cat "$work/why")"
expect_gpus 0 8 12
grep -q 'nvcc is of CUDA 12, so the CPU is used' "$work/why" || fail "an old compiler is not named: $(cat "$work/why")"
expect_gpus 0 8 ''
grep -q 'nvcc is missing, so the CPU is used' "$work/why" || fail "a missing compiler is not named: $(cat "$work/why")"

# The quickstart on a copy of its scripts, where nothing is installed, built or trained.
mkdir -p "$work/copy/launch" "$work/copy/build" "$work/text"
cp "$repository/launch/quickstart.sh" "$repository/launch/usable_gpus.sh" "$work/copy/launch"
echo 'exit 0' > "$work/copy/launch/install_packages.sh"
echo 'a text' > "$work/text/a.txt"
export CALLS=$work/calls STATE=$work/state
stub cmake 'echo "cmake $*" >> "$CALLS"'
stub mpirun 'while [[ $1 != */cadmus ]]; do shift; done; UNDER_MPIRUN=1 exec "$@"'
cat > "$work/copy/build/cadmus" << 'END'
#!/usr/bin/env bash
echo "cadmus $* ${UNDER_MPIRUN:+under mpirun}" >> "$CALLS"
[[ $1 == train && ! -e $STATE ]] || exit 0
touch "$STATE"
exit 75
END
chmod +x "$work/copy/build/cadmus"

# quickstart GPUS: what it has called.
quickstart() {
  rm -rf "$CALLS" "$STATE" "$work/out"
  env -u CUDA_VISIBLE_DEVICES -u CUDACXX GPUS="$1" RELEASE=13 bash "$work/copy/launch/quickstart.sh" --text "$work/text" \
    --out "$work/out" > "$work/log" 2>&1 || fail "quickstart with $1 GPUs: $(tail -n 3 "$work/log")"
}
# called TIMES PATTERN
called() {
  local times
  times=$(grep -cE -- "$2" "$CALLS" || true)
  ((times == $1)) || fail "$times calls like '$2', expected $1: $(cat "$CALLS")"
}
quickstart 0
called 1 'cmake --preset cpu-release'
called 2 'cadmus train .* under mpirun'
called 0 'CUDA'
quickstart 1
called 1 'cmake --preset cuda-release'
called 2 'cadmus train .*device.kind=CUDA --ranks-as-threads 2 $'
quickstart 4
called 1 'cmake --preset cuda-release'
called 2 'cadmus train .*device.kind=CUDA under mpirun'

((failures == 0)) && echo "quickstart_gpu_test: ok"
