// SPDX-License-Identifier: Apache-2.0
// The hazard check: over a trace, every two accesses to the same bytes of which one writes must be
// ordered by their stream or by events (mark, then wait). Finds missing waits in any layout, for
// any device, without a GPU and without luck.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/device/trace.h"

namespace cadmus::sim {

struct HazardSide {
  size_t entry = 0;  // index in the trace
  std::string name;  // of the entry
  int stream = 0;
  std::string view;  // the argument
  AccessMode mode = AccessMode::kRead;
};

// Two entries, `first` issued before `second`, that nothing orders.
struct Hazard {
  HazardSide first;
  HazardSide second;
  uint64_t begin = 0;  // the bytes that both touch: the hull of all their common ranges
  uint64_t end = 0;

  // "entry 12 (RmsNormForward) on stream 0 writes y and entry 15 (dp/all-reduce) on stream 1 …"
  std::string ToString() const;
};

// Ordered by the second entry. A wait refers to the event's latest mark before it; a wait for an
// event never marked orders nothing. Each access is held against the last write of its bytes and
// the reads since: a trace with no hazard here has none, and each hazard listed is one; accesses
// behind a hazard that was listed are not held against its older side again. Entries on strided
// views count as touching the whole span. Time: O(entries · log(ranges) · streams). Source of the
// method: Flanagan, Freund, "FastTrack: efficient and precise dynamic race detection", PLDI 2009.
std::vector<Hazard> FindHazards(const Trace& trace);

}  // namespace cadmus::sim
