#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--quick]: installs what is missing, builds, and runs every test that this machine can run. Says why a test was
# skipped; the last line is `N passed, M failed, K skipped`. --quick leaves out the sanitizers and the fuzz targets.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=no
for argument in "$@"; do
  case $argument in
    --quick) quick=yes ;;
    *) echo "usage: tests/run.sh [--quick]" >&2; exit 2 ;;
  esac
done

passed=0 failed=0 skipped=0
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

step() { printf '\n== %s (%d s since the start)\n' "$*" "$SECONDS"; }

# build PRESET TARGET...: configures and builds; a failure counts as one failed test and returns 1.
build() {
  local preset=$1
  shift
  step "$preset: build"
  if cmake --preset "$preset" -DCADMUS_TESTS=ON && cmake --build --preset "$preset" -j "$(nproc)" --target "$@"; then
    return 0
  fi
  failed=$((failed + 1))
  echo "$preset does not build"
  return 1
}

# Reads ctest's JUnit report: a line "skipped: NAME: REASON" for each skip, then a line "=N M K".
summarise() {
  awk '
    function finish() {
      if (status == "run") passed++
      else if (status == "fail") failed++
      else if (status == "disabled" || message ~ /^SKIP_/) {
        skipped++
        gsub(/&lt;/, "<", reason); gsub(/&gt;/, ">", reason); gsub(/&quot;/, "\"", reason); gsub(/&amp;/, "\\&", reason)
        print "skipped: " name ": " (reason == "" ? "no reason given" : reason)
      } else if (status != "") { failed++; print "did not run: " name ": " message }
      status = ""
    }
    /^\t<testcase / {
      name = status = $0; reason = message = ""; in_skip = 0
      sub(/.*<testcase name="/, "", name); sub(/" classname=.*/, "", name)
      sub(/.* status="/, "", status); sub(/".*/, "", status)
      next
    }
    /^\t\t<skipped message="/ { message = $0; sub(/.*message="/, "", message); sub(/".*/, "", message); next }
    /^\t<\/testcase>/ { finish(); next }
    /^\[  SKIPPED \]/ { in_skip = 2; next }      # the reason is complete
    /: Skipped$/ { in_skip = 1; reason = ""; next }
    {
      line = $0; sub(/^\t\t<system-out>/, "", line); sub(/<\/system-out>.*/, "", line)
      if (line == "" || in_skip == 2) next
      reason = in_skip == 1 && reason != "" ? reason " " line : line
    }
    END { printf "=%d %d %d\n", passed, failed, skipped }
  ' "$1"
}

# run_tests FOLDER CTEST_ARGUMENT...: runs the tests below a build folder and adds to the sums.
run_tests() {
  local folder=$1 report=$reports/$((++number)).xml status=0
  shift
  step "$folder: tests"
  "${without_aslr[@]}" ctest --test-dir "$folder" -j2 --output-on-failure --timeout 300 --no-tests=error \
    --output-junit "$report" "$@" || status=$?
  local line p=0 f=0 k=0
  if [[ -f $report ]]; then
    while IFS= read -r line; do
      if [[ $line == =* ]]; then read -r p f k <<< "${line#=}"; else echo "$line"; fi
    done < <(summarise "$report")
  fi
  if ((status != 0 && f == 0)); then
    echo "ctest failed without naming a test: exit code $status"
    f=1
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + k))
}
number=0
without_aslr=()

step "packages"
groups=(tests)
if [[ $quick == no ]]; then groups+=(sanitizers); fi
bash launch/install_packages.sh "${groups[@]}"

if build cpu-release all; then run_tests build; fi

if [[ $quick == no ]]; then
  # Sanitizers cannot always place their shadows under the address randomisation of newer kernels.
  if setarch -R true 2> /dev/null; then without_aslr=(setarch -R); fi
  if build cpu-asan cpu_tests fuzz; then
    run_tests build-asan -L cpu
    # What people's files can do to their parsers: ten seconds each (tests/fuzz/README.md).
    step "build-asan: fuzz targets"
    tests/fuzz/run.sh 10 | tee "$reports/fuzz" || true
    read -r p _ f _ < <(tail -n 1 "$reports/fuzz")
    passed=$((passed + p)) failed=$((failed + f))
  fi
  # What has threads, and whole steps of many layouts over local ranks, some with every stream a worker.
  threaded=(kernels/device kernels/cpu collectives runtime/data runtime/nn runtime/parallel runtime/schedule runtime/train)
  folders=("${threaded[@]/#/tests/}")
  if build cpu-tsan "${folders[@]/%//all}" launch_run_test layouts_agree; then
    for folder in "${folders[@]}"; do run_tests "build-tsan/$folder" -L cpu; done
    run_tests build-tsan/tests/launch/run -R 'ThreadedStreams|layouts_agree'
  fi
fi

# Compiles all CUDA code, wherever the compiler is, and runs it where there is a GPU.
if command -v nvcc > /dev/null || [[ -n ${CUDACXX:-} ]]; then
  programs=(kernels_gpu_test kernels_cudnn_plan_test collectives_gpu_test collectives_gpu_mpi_test gpu_speed)
  # No CUDA code, but all of the product, once more.
  if nvidia-smi -L > /dev/null 2>&1; then programs+=(launch_gpu_test); fi
  if build cuda-compile "${programs[@]}"; then
    if tests/ptxas_test.sh build-cuda-compile; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    run_tests build-cuda-compile/tests/kernels/gpu
    run_tests build-cuda-compile/tests/collectives/gpu
    if [[ " ${programs[*]} " == *" launch_gpu_test "* ]]; then run_tests build-cuda-compile/tests/launch/gpu -L cuda; fi
  fi
else
  echo "skipped: cuda-compile: no nvcc on the PATH"
  skipped=$((skipped + 1))
fi

step "done"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
