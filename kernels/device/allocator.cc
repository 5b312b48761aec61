// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/allocator.h"

#include <algorithm>
#include <map>
#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/device/device.h"

namespace cadmus {
namespace {

constexpr int kMaxStreams = Allocator::kMaxStreamsPerBlock;

struct PooledEvent {
  std::unique_ptr<Event> event;
  int num_holders = 0;
  uint64_t order = 0;  // of its latest record, among all events
};

// A place in a stream behind which a hole is free for other streams. No event: whatever the stream
// has been given by the time of reuse. That is how a compute stream's own memory is marked: it
// frees often, mostly for itself, and needs no event then.
struct Mark {
  Stream* stream = nullptr;
  PooledEvent* event = nullptr;
  friend bool operator==(const Mark&, const Mark&) = default;
};

struct Hole {
  int64_t bytes = 0;
  int num_marks = 0;
  std::array<Mark, kMaxStreams> marks;
};

struct Block {
  int64_t bytes = 0;
  MemoryCategory category = MemoryCategory::kWorkspace;
  int num_streams = 0;
  std::array<Stream*, kMaxStreams> streams = {};  // the one that it was allocated for is first
};

bool SameMarks(const Hole& a, const Hole& b) {
  return a.num_marks == b.num_marks &&
         std::equal(a.marks.begin(), a.marks.begin() + a.num_marks, b.marks.begin());
}

}  // namespace

struct Allocator::Impl {
  // Adjacent holes with different marks stay apart, so that nobody waits for a stream that never
  // touched the bytes in question; first fit looks at runs of adjacent holes.
  using Holes = std::pmr::map<int64_t, Hole>;

  Impl(void* base_address, int64_t capacity_bytes)
      : base(static_cast<char*>(base_address)), capacity(capacity_bytes / kAlignment * kAlignment) {
    if (capacity > 0) holes.emplace(0, Hole{.bytes = capacity, .num_marks = 0, .marks = {}});
  }

  PooledEvent* RecordEvent(Stream& stream) {
    if (idle_events.empty()) {
      idle_events.reserve(events.size() + 1);  // giving back never allocates
      events.push_back(std::make_unique<PooledEvent>());
      events.back()->event = stream.device().NewEvent();
      idle_events.push_back(events.back().get());
    }
    PooledEvent* event = idle_events.back();
    stream.Record(*event->event);
    idle_events.pop_back();
    event->num_holders = 1;
    event->order = ++num_records;
    return event;
  }

  void Release(PooledEvent* event) noexcept {
    if (--event->num_holders == 0) idle_events.push_back(event);
  }

  void ReleaseMarks(const Hole& hole) noexcept {
    for (int i = 0; i < hole.num_marks; ++i) {
      if (hole.marks[i].event != nullptr) Release(hole.marks[i].event);
    }
  }

  // The first hole of the lowest run of adjacent holes with `bytes` in all.
  Holes::iterator FirstFit(int64_t bytes) {
    Holes::iterator first = holes.end();
    int64_t run_end = -1;
    for (auto it = holes.begin(); it != holes.end(); ++it) {
      if (it->first != run_end) first = it;
      run_end = it->first + it->second.bytes;
      if (run_end - first->first >= bytes) return first;
    }
    return holes.end();
  }

  // Makes `stream` wait for the other streams' marks of [first, first + bytes).
  void WaitForMarks(Holes::iterator first, int64_t bytes, Stream& stream) {
    pending.clear();
    const int64_t end = first->first + bytes;
    for (auto it = first; it != holes.end() && it->first < end; ++it) {
      for (int i = 0; i < it->second.num_marks; ++i) AddPending(it->second.marks[i], stream);
    }
    for (const Mark& mark : pending) {
      if (mark.event != nullptr) {
        stream.Wait(*mark.event->event);
      } else {
        PooledEvent* event = RecordEvent(*mark.stream);
        stream.Wait(*event->event);
        Release(event);
      }
    }
  }

  // One wait per stream is enough: for its latest mark.
  void AddPending(const Mark& mark, const Stream& for_stream) {
    if (mark.stream == &for_stream) return;
    for (Mark& known : pending) {
      if (known.stream != mark.stream) continue;
      if (known.event != nullptr &&
          (mark.event == nullptr || mark.event->order > known.event->order)) {
        known = mark;
      }
      return;
    }
    pending.push_back(mark);
  }

  // Takes [it, it + bytes) out of the holes.
  void Take(Holes::iterator it, int64_t bytes) {
    while (bytes > 0) {
      const auto next = std::next(it);
      if (it->second.bytes <= bytes) {
        bytes -= it->second.bytes;
        ReleaseMarks(it->second);
        holes.erase(it);
      } else {
        auto rest = holes.extract(it);
        rest.key() += bytes;
        rest.mapped().bytes -= bytes;
        holes.insert(next, std::move(rest));
        bytes = 0;
      }
      it = next;
    }
  }

  void Give(int64_t offset, const Hole& hole) {
    auto it = holes.emplace(offset, hole).first;
    const auto next = std::next(it);
    if (next != holes.end()) Merge(it, next);
    if (it != holes.begin()) Merge(std::prev(it), it);
  }

  void Merge(Holes::iterator low, Holes::iterator high) {
    if (low->first + low->second.bytes != high->first || !SameMarks(low->second, high->second)) {
      return;
    }
    low->second.bytes += high->second.bytes;
    ReleaseMarks(high->second);
    holes.erase(high);
  }

  Hole HoleOf(const Block& block) {
    Hole hole;
    hole.bytes = block.bytes;
    for (int i = 0; i < block.num_streams; ++i) {
      Stream& stream = *block.streams[i];
      const bool at_reuse = i == 0 && stream.kind() == StreamKind::kCompute;
      hole.marks[hole.num_marks++] = {&stream, at_reuse ? nullptr : RecordEvent(stream)};
    }
    return hole;
  }

  void Account(const Block& block, int64_t sign) {
    int64_t& current = stats.current_bytes[static_cast<size_t>(block.category)];
    current += sign * block.bytes;
    stats.current_total_bytes += sign * block.bytes;
  }

  [[noreturn]] void ThrowOutOfMemory(int64_t bytes, MemoryCategory category) const {
    int64_t largest = 0;
    int64_t run = 0;
    int64_t run_end = -1;
    for (const auto& [offset, hole] : holes) {
      run = offset == run_end ? run + hole.bytes : hole.bytes;
      run_end = offset + hole.bytes;
      largest = std::max(largest, run);
    }
    std::string text = StrCat("no room for ", bytes, " bytes of ", Name(category), ": of ",
                              capacity, " bytes, ", capacity - stats.current_total_bytes,
                              " are free, the largest hole has ", largest, "; live:");
    for (int i = 0; i < kNumMemoryCategories; ++i) {
      text += StrCat(i == 0 ? " " : ", ", Name(static_cast<MemoryCategory>(i)), " ",
                     stats.current_bytes[static_cast<size_t>(i)]);
    }
    throw Error(Kind::kOutOfMemory,
                StrCat(text,
                       "; give the device more with `device.memory_gib`, or take a smaller "
                       "micro-batch"));
  }

  char* base;
  int64_t capacity;
  // Nodes come from a pool that only grows: a repeated pattern asks the heap for nothing.
  std::pmr::unsynchronized_pool_resource nodes;
  Holes holes{&nodes};                                     // by offset
  std::pmr::unordered_map<int64_t, Block> blocks{&nodes};  // by offset
  std::vector<std::unique_ptr<PooledEvent>> events;
  std::vector<PooledEvent*> idle_events;
  std::vector<Mark> pending;  // kept for its storage
  uint64_t num_records = 0;
  MemoryStats stats;
  uint64_t address_hash = 0;
};

Allocator::Allocator(void* base, int64_t capacity_bytes)
    : impl_(std::make_unique<Impl>(base, capacity_bytes)) {
  ResetAddressHash();
}

Allocator::~Allocator() {
  if (!impl_->blocks.empty()) {
    LogError(StrCat("device memory ends with ", impl_->blocks.size(), " blocks still in use (",
                    impl_->stats.current_total_bytes, " bytes)"));
  }
}

void* Allocator::Allocate(int64_t bytes, MemoryCategory category, Stream& stream) {
  Impl& impl = *impl_;
  CADMUS_CHECK(bytes >= 0, StrCat("an allocation of ", bytes, " bytes"));
  if (bytes > impl.capacity) impl.ThrowOutOfMemory(bytes, category);
  Block block;
  block.bytes = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  block.category = category;
  block.num_streams = 1;
  block.streams[0] = &stream;

  const auto first = impl.FirstFit(block.bytes);
  if (first == impl.holes.end()) impl.ThrowOutOfMemory(bytes, category);
  const int64_t offset = first->first;
  impl.WaitForMarks(first, block.bytes, stream);
  impl.blocks.emplace(offset, block);
  impl.Take(first, block.bytes);

  impl.Account(block, +1);
  MemoryStats& stats = impl.stats;
  const auto index = static_cast<size_t>(category);
  stats.peak_bytes[index] = std::max(stats.peak_bytes[index], stats.current_bytes[index]);
  stats.peak_total_bytes = std::max(stats.peak_total_bytes, stats.current_total_bytes);
  stats.high_water_bytes = std::max(stats.high_water_bytes, offset + block.bytes);
  for (int64_t word : {offset, block.bytes}) {
    impl.address_hash = (impl.address_hash ^ static_cast<uint64_t>(word)) * 0x9E3779B97F4A7C15;
    impl.address_hash ^= impl.address_hash >> 32;
  }
  return impl.base + offset;
}

void Allocator::RecordUse(void* memory, Stream& stream) {
  const auto it = impl_->blocks.find(static_cast<char*>(memory) - impl_->base);
  CADMUS_CHECK(it != impl_->blocks.end(), "RecordUse of memory that is not allocated here");
  Block& block = it->second;
  const auto end = block.streams.begin() + block.num_streams;
  if (std::find(block.streams.begin(), end, &stream) != end) return;
  CADMUS_CHECK(block.num_streams < kMaxStreams,
               StrCat("more than ", kMaxStreams, " streams use one block"));
  block.streams[static_cast<size_t>(block.num_streams++)] = &stream;
}

void Allocator::Free(void* memory) noexcept {
  Impl& impl = *impl_;
  const int64_t offset = static_cast<char*>(memory) - impl.base;
  const auto it = impl.blocks.find(offset);
  if (it == impl.blocks.end()) {
    LogError(StrCat("memory freed that is not allocated here (offset ", offset, ")"));
    return;
  }
  const Block block = it->second;
  impl.blocks.erase(it);
  impl.Account(block, -1);
  try {
    impl.Give(offset, impl.HoleOf(block));
  } catch (const std::exception& e) {
    // Without its marks the memory may still be in use: it is never handed out again.
    LogError(StrCat(block.bytes, " bytes of device memory are lost: ", e.what()));
  }
}

void Allocator::ForgetStream(const Stream& stream) noexcept {
  for (auto& [offset, hole] : impl_->holes) {
    int kept = 0;
    for (int i = 0; i < hole.num_marks; ++i) {
      const Mark mark = hole.marks[i];
      if (mark.stream != &stream) {
        hole.marks[kept++] = mark;
      } else if (mark.event != nullptr) {
        impl_->Release(mark.event);
      }
    }
    hole.num_marks = kept;
  }
  for (auto& [offset, block] : impl_->blocks) {
    const auto begin = block.streams.begin();
    block.num_streams =
        static_cast<int>(std::remove(begin, begin + block.num_streams, &stream) - begin);
  }
}

const MemoryStats& Allocator::stats() const { return impl_->stats; }

int64_t Allocator::capacity_bytes() const { return impl_->capacity; }
uint64_t Allocator::address_hash() const { return impl_->address_hash; }
void Allocator::ResetAddressHash() { impl_->address_hash = 0x243F6A8885A308D3; }

}  // namespace cadmus
