// SPDX-License-Identifier: Apache-2.0
// Trace: what a rank issued, in order: ops with the memory they touch, event marks and waits,
// copies, collectives. Any device fills one while it is attached (Device::set_trace); the sim
// device exists to do so without computing. It knows no time and no cluster. Not for the step path
// of real training: it allocates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/tensor_view.h"

namespace cadmus {

class Stream;
class Event;

enum class AccessMode : uint8_t { kRead, kWrite, kReadWrite };

// A byte range of device memory that an entry touches.
struct MemoryAccess {
  uint64_t begin = 0;
  uint64_t end = 0;
  AccessMode mode = AccessMode::kRead;
  const char* view = "";  // the argument's name
};

// Floating-point operations as executed, and the compulsory memory traffic.
struct OpCost {
  double flops = 0;
  double bytes = 0;
};

struct TraceEntry {
  enum class Kind : uint8_t { kOp, kCopy, kCollective, kRecord, kWait };
  Kind kind = Kind::kOp;
  int stream = 0;
  std::string name;           // op, copy direction, or "group/all-reduce"
  std::string detail;         // shapes, or what a collective is for
  int event = -1;             // of kRecord and kWait
  int64_t payload_bytes = 0;  // of kCopy and kCollective
  OpCost cost;
  std::vector<MemoryAccess> accesses;
};

class Trace {
 public:
  void Append(TraceEntry entry) { entries_.push_back(std::move(entry)); }
  void Clear() { entries_.clear(); }
  const std::vector<TraceEntry>& entries() const { return entries_; }

 private:
  std::vector<TraceEntry> entries_;
};

// Collects the accesses of an argument struct: pass it to Args::Visit.
class AccessCollector {
 public:
  void Read(const char* name, const ConstTensorView& view) { Add(name, view, AccessMode::kRead); }
  void Write(const char* name, const ConstTensorView& view) { Add(name, view, AccessMode::kWrite); }
  void ReadWrite(const char* name, const ConstTensorView& view) {
    Add(name, view, AccessMode::kReadWrite);
  }

  std::vector<MemoryAccess> Take() { return std::move(accesses_); }
  std::string TakeDetail() { return std::move(detail_); }

 private:
  void Add(const char* name, const ConstTensorView& view, AccessMode mode) {
    if (!view) return;
    detail_ += StrCat(detail_.empty() ? "" : " ", name, view.shape().ToString());
    const auto begin = reinterpret_cast<uint64_t>(view.raw());
    if (view.num_elements() > 0) {
      accesses_.push_back({begin, begin + static_cast<uint64_t>(view.span_bytes()), mode, name});
    }
  }

  std::vector<MemoryAccess> accesses_;
  std::string detail_;
};

}  // namespace cadmus
