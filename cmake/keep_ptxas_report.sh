#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# keep_ptxas_report.sh COMMAND...: runs a compilation and keeps what ptxas reports of each kernel in OBJECT.ptxas, the
# input of tests/ptxas_test.sh; everything else that the compiler says goes on to the screen.
set -uo pipefail
object=
arguments=("$@")
for ((i = 0; i < $#; ++i)); do
  [[ ${arguments[i]} == -o ]] && object=${arguments[i + 1]:-}
done
[[ $object == *.o ]] || exec "$@"
"$@" 2> "$object.stderr"
status=$?
grep -E '^ptxas info|bytes stack frame' "$object.stderr" > "$object.ptxas"
grep -vE '^ptxas info|bytes stack frame|^$' "$object.stderr" >&2
rm -f "$object.stderr"
exit $status
