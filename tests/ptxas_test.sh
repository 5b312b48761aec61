#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ptxas_test.sh BUILD_FOLDER: reads what ptxas reported of every kernel of a CUDA build. Fails where a kernel named in
# tests/kernels/gpu/hot_kernels.txt spills registers, or where a line of that list names no kernel.
set -euo pipefail
folder=${1:?usage: ptxas_test.sh BUILD_FOLDER}
list=$(dirname "${BASH_SOURCE[0]}")/kernels/gpu/hot_kernels.txt
mapfile -t reports < <(find "$folder/kernels" -name '*.ptxas')
((${#reports[@]} > 0)) || { echo "$folder: no reports of ptxas: build the preset cuda-compile first" >&2; exit 1; }
awk -v list="$list" '
  BEGIN {
    while ((getline line < list) > 0) if (line !~ /^#/ && line != "") hot[line] = 0
    if (length(hot) == 0) { print list ": names no kernel"; failed = 1; exit 1 }
  }
  /Compiling entry function/ { split($0, part, "\047"); name = part[2]; target = part[4]; next }
  /spill stores/ {
    ++kernels
    spills = !/ 0 bytes spill stores, 0 bytes spill loads/
    if (spills) ++spilling
    for (pattern in hot) {
      if (name !~ pattern) continue
      ++hot[pattern]
      if (spills) { sub(/^ +/, ""); print "hot kernel spills: " name " (" target "): " $0; failed = 1; ++hot_spilling }
    }
  }
  END {
    for (pattern in hot) if (hot[pattern] == 0) { print list ": " pattern " names no compiled kernel"; failed = 1 }
    print kernels " kernels, " spilling + 0 " of them spill, " hot_spilling + 0 " of those hot"
    exit failed
  }
' "${reports[@]}"
