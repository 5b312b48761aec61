#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SECONDS [NAME...]: runs each fuzz target of build-asan/ (or the named ones) so long from its seeds, two at a time;
# build before with `cmake --preset cpu-asan && cmake --build build-asan --target fuzz`. The last line counts the clean ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME...]}
shift
names=("$@")
if ((${#names[@]} == 0)); then
  for source in tests/fuzz/*_fuzz.cc; do
    name=${source##*/}
    names+=("${name%_fuzz.cc}")
  done
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
crashes=build-asan/crashes
mkdir -p "$crashes"
# The address sanitizer cannot always place its shadow under the address randomisation of newer kernels.
without_aslr=()
if setarch -R true 2> /dev/null; then without_aslr=(setarch -R); fi

# fuzz NAME: one target; its output in $work/NAME.log, its exit code in $work/NAME.code.
fuzz() {
  local name=$1 code=0
  mkdir "$work/$name"
  "${without_aslr[@]}" "build-asan/bin/${name}_fuzz" -max_total_time="$seconds" -seed=1 -max_len=65536 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$crashes/$name-" \
    "$work/$name" "tests/fuzz/seeds/$name" > "$work/$name.log" 2>&1 || code=$?
  echo "$code" > "$work/$name.code"
}

for name in "${names[@]}"; do
  while (($(jobs -rp | wc -l) >= 2)); do wait -n; done
  fuzz "$name" &
done
wait

passed=0 failed=0
for name in "${names[@]}"; do
  if [[ $(< "$work/$name.code") == 0 ]]; then
    passed=$((passed + 1))
    echo "$name: clean, $(awk '/number_of_executed_units/ { print $2 }' "$work/$name.log") inputs"
  else
    failed=$((failed + 1))
    echo "$name: FAILED; the input is in $crashes/, and build-asan/bin/${name}_fuzz FILE shows it again"
    tail -n 60 "$work/$name.log"
  fi
done
echo "$passed passed, $failed failed"
((failed == 0))
