#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# soak.sh [PART/PARTS]: every layout on at most 8 ranks times every option of it, some 41,000 training runs against one
# rank; about three and a half hours on two cores. With PART/PARTS, e.g. 7/100, only that part of them: 415 runs in two
# minutes. tests/run.sh runs 500 other ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset cpu-release -DCADMUS_TESTS=ON
cmake --build --preset cpu-release -j "$(nproc)" --target layouts_agree
exec build/bin/layouts_agree --soak "${1:-1/1}"
