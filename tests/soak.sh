#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# soak.sh [PART/PARTS]: every layout on at most 8 ranks times every option of it, some 17,000 training runs against one
# rank; about an hour on two cores. With PART/PARTS, e.g. 3/10, only that part of them. tests/run.sh runs 400 of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset cpu-release -DCADMUS_TESTS=ON
cmake --build --preset cpu-release -j "$(nproc)" --target layouts_agree
exec build/bin/layouts_agree --soak "${1:-1/1}"
