#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install_packages.sh [tests] [sanitizers] [text]: installs what a fresh Debian or Ubuntu lacks to build and run Cadmus; `tests` and
# `sanitizers` add what those need, `text` the English text that the quickstart trains on. Nothing missing: needs neither root
# nor network.
set -euo pipefail

packages=(g++ cmake ninja-build ccache pkg-config ca-certificates
  libopenmpi-dev openmpi-bin protobuf-compiler libprotobuf-dev
  libdnnl-dev libopenblas-pthread-dev
  libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libsimdjson-dev
  libisal-dev libxxhash-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev zlib1g-dev)
for group in "$@"; do
  case $group in
    tests) packages+=(libgtest-dev libgmock-dev librapidcheck-dev) ;;
    sanitizers) packages+=(clang-16 libclang-rt-16-dev libomp-16-dev) ;;
    text) packages+=(linux-doc-6.1) ;;
    *) echo "install_packages.sh: unknown group '$group'; known: tests sanitizers text" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get > /dev/null; then
  echo "This is no Debian or Ubuntu; please install what corresponds to: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done

as_root=()
if ((EUID != 0)); then as_root=(sudo); fi
if ((${#missing[@]} > 0)); then
  if ((EUID != 0)) && ! command -v sudo > /dev/null; then
    echo "Please run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${missing[@]}" > /dev/null
fi

# A machine that cannot resolve its own name makes every mpirun wait ten seconds.
if [[ -w /etc/hosts || (! -e /etc/hosts && -w /etc) ]] && ! timeout 2 getent hosts "$(hostname)" > /dev/null; then
  echo "adding this machine's name to /etc/hosts"
  echo "127.0.0.1 localhost $(hostname)" >> /etc/hosts
fi
