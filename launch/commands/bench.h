// SPDX-License-Identifier: Apache-2.0
// `cadmus bench`: what machine and build this is, alone or on the ranks that a launcher has
// started.
#pragma once

namespace cadmus {

struct BenchFlags {
  bool json = false;  // to stdout, in place of the text on stderr
};

// Level 0, the environment check: rank 0 prints; every rank returns 0, or 7 if a check failed.
int RunBench(const BenchFlags& flags);

}  // namespace cadmus
