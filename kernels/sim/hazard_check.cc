// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/hazard_check.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "kernels/base/str_cat.h"

namespace cadmus::sim {
namespace {

// Streams are numbered densely in order of appearance. Clock[s]: entries of stream s before this
// one (as trace indices) come before whatever carries the clock. -1: none.
using Clock = std::vector<int64_t>;

struct Touch {
  int64_t entry = -1;
  int stream = 0;  // dense
  const MemoryAccess* access = nullptr;
};

// Bytes with one history: the last write, and since then the last read of each stream.
struct Segment {
  uint64_t end = 0;
  Touch write;
  std::vector<Touch> reads;
};

const char* Verb(AccessMode mode) {
  switch (mode) {
    case AccessMode::kRead:
      return "reads";
    case AccessMode::kWrite:
      return "writes";
    case AccessMode::kReadWrite:
      return "reads and writes";
  }
  return "touches";
}

class Checker {
 public:
  explicit Checker(const Trace& trace) : entries_(trace.entries()) {}

  std::vector<Hazard> Check() {
    for (size_t i = 0; i < entries_.size(); ++i) {
      const TraceEntry& entry = entries_[i];
      const int stream = DenseStream(entry.stream);
      Clock& clock = clocks_[static_cast<size_t>(stream)];
      clock[static_cast<size_t>(stream)] = static_cast<int64_t>(i);
      if (entry.kind == TraceEntry::Kind::kRecord) marks_[entry.event] = clock;
      if (entry.kind == TraceEntry::Kind::kWait) Join(clock, entry.event);
      for (const MemoryAccess& access : entry.accesses) {
        if (access.begin < access.end) {
          Visit({static_cast<int64_t>(i), stream, &access}, clock);
        }
      }
    }
    return std::move(hazards_);
  }

 private:
  using Segments = std::map<uint64_t, Segment>;

  int DenseStream(int id) {
    const auto [it, added] = dense_.emplace(id, static_cast<int>(dense_.size()));
    if (added) {
      clocks_.emplace_back();
      for (Clock& clock : clocks_) clock.resize(clocks_.size(), -1);
    }
    return it->second;
  }

  void Join(Clock& clock, int event) const {
    const auto mark = marks_.find(event);
    if (mark == marks_.end()) return;
    for (size_t s = 0; s < mark->second.size(); ++s) {
      clock[s] = std::max(clock[s], mark->second[s]);
    }
  }

  // The segment that starts at `at`, split off if need be; the next one if no segment covers `at`.
  Segments::iterator SplitAt(uint64_t at) {
    auto next = segments_.lower_bound(at);
    if (next == segments_.begin() || (next != segments_.end() && next->first == at)) return next;
    auto before = std::prev(next);
    if (before->second.end <= at) return next;
    Segment rest = before->second;
    before->second.end = at;
    return segments_.emplace_hint(next, at, std::move(rest));
  }

  void Visit(const Touch& touch, const Clock& clock) {
    const MemoryAccess& access = *touch.access;
    SplitAt(access.end);
    auto it = SplitAt(access.begin);
    const bool writes = access.mode != AccessMode::kRead;
    uint64_t at = access.begin;
    while (at < access.end) {
      if (it == segments_.end() || it->first > at) {
        // Never touched so far.
        const uint64_t end = it == segments_.end() ? access.end : std::min(access.end, it->first);
        it = segments_.emplace_hint(it, at, Segment{.end = end, .write = {}, .reads = {}});
      }
      Segment& segment = it->second;
      Compare(segment.write, touch, clock, at, segment.end);
      if (writes) {
        for (const Touch& read : segment.reads) Compare(read, touch, clock, at, segment.end);
      } else {
        NoteRead(segment, touch);
      }
      at = segment.end;
      // A write gives all of its bytes one history: one segment.
      it = writes ? segments_.erase(it) : std::next(it);
    }
    if (writes) {
      segments_.emplace_hint(it, access.begin,
                             Segment{.end = access.end, .write = touch, .reads = {}});
    }
  }

  static void NoteRead(Segment& segment, const Touch& touch) {
    for (Touch& read : segment.reads) {
      if (read.stream == touch.stream) {
        read = touch;
        return;
      }
    }
    segment.reads.push_back(touch);
  }

  void Compare(const Touch& old, const Touch& now, const Clock& clock, uint64_t begin,
               uint64_t end) {
    if (old.entry < 0 || old.entry <= clock[static_cast<size_t>(old.stream)]) return;
    // Hazards of one entry are neighbours at the back of the list.
    for (auto it = hazards_.rbegin();
         it != hazards_.rend() && it->second.entry == static_cast<size_t>(now.entry); ++it) {
      if (it->first.entry != static_cast<size_t>(old.entry)) continue;
      it->begin = std::min(it->begin, begin);
      it->end = std::max(it->end, end);
      return;
    }
    hazards_.push_back({SideOf(old), SideOf(now), begin, end});
  }

  HazardSide SideOf(const Touch& touch) const {
    const auto index = static_cast<size_t>(touch.entry);
    return {index, entries_[index].name, entries_[index].stream, touch.access->view,
            touch.access->mode};
  }

  const std::vector<TraceEntry>& entries_;
  std::unordered_map<int, int> dense_;    // stream id to number
  std::vector<Clock> clocks_;             // per stream
  std::unordered_map<int, Clock> marks_;  // per event
  Segments segments_;                     // by first byte
  std::vector<Hazard> hazards_;
};

}  // namespace

std::string Hazard::ToString() const {
  return StrCat("entry ", first.entry, " (", first.name, ") on stream ", first.stream, " ",
                Verb(first.mode), " ", first.view, " and entry ", second.entry, " (", second.name,
                ") on stream ", second.stream, " ", Verb(second.mode), " ", second.view,
                ": the same ", end - begin, " bytes from ", begin,
                ", and no event orders the two; record one on stream ", first.stream,
                " after the first and let stream ", second.stream, " wait for it");
}

std::vector<Hazard> FindHazards(const Trace& trace) { return Checker(trace).Check(); }

}  // namespace cadmus::sim
