// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/hazard_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "kernels/base/str_cat.h"

namespace cadmus::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kRead = AccessMode::kRead;
constexpr auto kWrite = AccessMode::kWrite;

// Builds traces by hand.
class TraceBuilder {
 public:
  TraceBuilder& Op(int stream, std::vector<MemoryAccess> accesses) {
    TraceEntry entry;
    entry.stream = stream;
    entry.name = StrCat("op", trace_.entries().size());
    entry.accesses = std::move(accesses);
    trace_.Append(std::move(entry));
    return *this;
  }
  TraceBuilder& Op(int stream, AccessMode mode, uint64_t begin, uint64_t end) {
    return Op(stream, {{begin, end, mode, "x"}});
  }
  TraceBuilder& Record(int stream, int event) {
    return Mark(TraceEntry::Kind::kRecord, stream, event);
  }
  TraceBuilder& Wait(int stream, int event) { return Mark(TraceEntry::Kind::kWait, stream, event); }

  const Trace& trace() const { return trace_; }
  // The pairs of entries found.
  std::vector<std::pair<size_t, size_t>> Hazards() const {
    std::vector<std::pair<size_t, size_t>> out;
    for (const Hazard& h : FindHazards(trace_)) out.emplace_back(h.first.entry, h.second.entry);
    return out;
  }

 private:
  TraceBuilder& Mark(TraceEntry::Kind kind, int stream, int event) {
    TraceEntry entry;
    entry.kind = kind;
    entry.stream = stream;
    entry.event = event;
    trace_.Append(std::move(entry));
    return *this;
  }

  Trace trace_;
};

using Pair = std::pair<size_t, size_t>;

TEST(HazardCheck, AnEmptyTraceIsClean) { EXPECT_THAT(TraceBuilder().Hazards(), IsEmpty()); }

TEST(HazardCheck, OneStreamOrdersItself) {
  TraceBuilder t;
  t.Op(0, kWrite, 0, 10)
      .Op(0, kRead, 5, 15)
      .Op(0, kWrite, 0, 20)
      .Op(0, AccessMode::kReadWrite, 3, 4);
  EXPECT_THAT(t.Hazards(), IsEmpty());
}

TEST(HazardCheck, AReadNeedsTheWriteBeforeIt) {
  EXPECT_THAT(TraceBuilder().Op(0, kWrite, 0, 10).Op(1, kRead, 9, 20).Hazards(),
              ElementsAre(Pair(0, 1)));
  EXPECT_THAT(
      TraceBuilder().Op(0, kWrite, 0, 10).Record(0, 7).Wait(1, 7).Op(1, kRead, 9, 20).Hazards(),
      IsEmpty());
}

TEST(HazardCheck, AWriteNeedsTheReadsBeforeIt) {
  EXPECT_THAT(TraceBuilder().Op(0, kRead, 0, 10).Op(1, kWrite, 0, 1).Hazards(),
              ElementsAre(Pair(0, 1)));
  TraceBuilder t;
  t.Op(0, kRead, 0, 10).Op(1, kRead, 0, 10).Record(0, 0).Wait(2, 0).Op(2, kWrite, 0, 10);
  EXPECT_THAT(t.Hazards(), ElementsAre(Pair(1, 4)));
}

TEST(HazardCheck, AWriteNeedsTheWriteBeforeIt) {
  EXPECT_THAT(TraceBuilder().Op(0, kWrite, 0, 10).Op(1, kWrite, 5, 6).Hazards(),
              ElementsAre(Pair(0, 1)));
}

TEST(HazardCheck, ReadsNeedNoOrderAmongThemselvesNorDoDisjointBytes) {
  TraceBuilder t;
  t.Op(0, kRead, 0, 10).Op(1, kRead, 0, 10).Op(0, kWrite, 10, 20).Op(1, kWrite, 20, 30);
  t.Op(1, {{40, 40, kWrite, "empty"}}).Op(0, {{40, 40, kWrite, "empty"}});
  EXPECT_THAT(t.Hazards(), IsEmpty());
}

TEST(HazardCheck, OrderIsTransitiveAcrossStreams) {
  TraceBuilder t;
  t.Op(0, kWrite, 0, 10).Record(0, 0).Wait(1, 0).Record(1, 1).Wait(2, 1).Op(2, kWrite, 0, 10);
  EXPECT_THAT(t.Hazards(), IsEmpty());
}

TEST(HazardCheck, AWaitOrdersOnlyWhatTheMarkIsBehind) {
  TraceBuilder t;
  t.Record(0, 0).Op(0, kWrite, 0, 10).Wait(1, 0).Op(1, kRead, 0, 10);
  EXPECT_THAT(t.Hazards(), ElementsAre(Pair(1, 3)));
}

TEST(HazardCheck, AWaitRefersToTheLatestMarkBeforeIt) {
  TraceBuilder t;  // the wait sees the first mark only: the second is issued later
  t.Record(0, 0).Wait(1, 0).Op(0, kWrite, 0, 10).Record(0, 0).Op(1, kRead, 0, 10);
  EXPECT_THAT(t.Hazards(), ElementsAre(Pair(2, 4)));
  TraceBuilder moved;  // the mark moved to another stream: it no longer says anything of stream 0
  moved.Op(0, kWrite, 0, 10).Record(0, 0).Record(2, 0).Wait(1, 0).Op(1, kRead, 0, 10);
  EXPECT_THAT(moved.Hazards(), ElementsAre(Pair(0, 4)));
}

TEST(HazardCheck, AWaitForAnEventNeverMarkedOrdersNothing) {
  TraceBuilder t;
  t.Op(0, kWrite, 0, 10).Wait(1, 5).Op(1, kRead, 0, 10);
  EXPECT_THAT(t.Hazards(), ElementsAre(Pair(0, 2)));
}

TEST(HazardCheck, OnePairIsListedOnceWithTheHullOfItsBytes) {
  TraceBuilder t;
  t.Op(3, {{0, 10, kWrite, "y"}, {100, 120, kWrite, "z"}});
  t.Op(8, {{5, 110, kRead, "k"}});
  const std::vector<Hazard> hazards = FindHazards(t.trace());
  ASSERT_EQ(hazards.size(), 1U);
  EXPECT_EQ(hazards[0].begin, 5U);
  EXPECT_EQ(hazards[0].end, 110U);
  const std::string text = hazards[0].ToString();
  EXPECT_THAT(text, HasSubstr("entry 0 (op0) on stream 3 writes y"));
  EXPECT_THAT(text, HasSubstr("entry 1 (op1) on stream 8 reads k"));
  EXPECT_THAT(text, HasSubstr("let stream 8 wait"));
}

TEST(HazardCheck, AnEntryMayTouchTheSameBytesTwice) {
  EXPECT_THAT(TraceBuilder().Op(0, {{0, 10, kRead, "x"}, {0, 10, kWrite, "y"}}).Hazards(),
              IsEmpty());
}

// All unordered conflicting pairs, by reachability over the graph of streams and events.
std::set<Pair> OraclePairs(const Trace& trace) {
  const std::vector<TraceEntry>& entries = trace.entries();
  const size_t n = entries.size();
  std::vector<std::vector<bool>> before(n, std::vector<bool>(n, false));  // before[i][j]: j < i
  std::map<int, size_t> last_of_stream;
  std::map<int, size_t> mark_of_event;
  for (size_t i = 0; i < n; ++i) {
    auto follow = [&](size_t j) {
      before[i][j] = true;
      for (size_t k = 0; k < j; ++k) before[i][k] = before[i][k] || before[j][k];
    };
    if (auto it = last_of_stream.find(entries[i].stream); it != last_of_stream.end()) {
      follow(it->second);
    }
    last_of_stream[entries[i].stream] = i;
    if (entries[i].kind == TraceEntry::Kind::kRecord) mark_of_event[entries[i].event] = i;
    if (entries[i].kind == TraceEntry::Kind::kWait) {
      if (auto it = mark_of_event.find(entries[i].event); it != mark_of_event.end()) {
        follow(it->second);
      }
    }
  }
  std::set<Pair> out;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) {
      for (const MemoryAccess& a : entries[i].accesses) {
        for (const MemoryAccess& b : entries[j].accesses) {
          if (before[i][j] || (a.mode == kRead && b.mode == kRead)) continue;
          if (std::max(a.begin, b.begin) < std::min(a.end, b.end)) out.emplace(j, i);
        }
      }
    }
  }
  return out;
}

TEST(HazardCheck, AgreesWithReachabilityOnRandomTraces) {
  std::mt19937 random(2024);
  auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
  int num_clean = 0;
  int num_dirty = 0;
  for (int round = 0; round < 3000; ++round) {
    TraceBuilder t;
    const int num_streams = 1 + below(4);
    const int length = 2 + below(30);
    const uint32_t bytes = round % 2 == 0 ? 24 : 120;
    for (int i = 0; i < length; ++i) {
      const int stream = below(static_cast<uint32_t>(num_streams));
      switch (below(4)) {
        case 0:
          t.Record(stream, below(3));
          break;
        case 1:
          t.Wait(stream, below(3));
          break;
        default: {
          std::vector<MemoryAccess> accesses;
          for (int k = below(3); k >= 0; --k) {
            const auto begin = static_cast<uint64_t>(below(bytes));
            accesses.push_back({begin, begin + static_cast<uint64_t>(below(8)),
                                static_cast<AccessMode>(below(3)), "v"});
          }
          t.Op(stream, std::move(accesses));
        }
      }
    }
    const std::set<Pair> oracle = OraclePairs(t.trace());
    const std::vector<Pair> found = t.Hazards();
    for (const Pair& pair : found) EXPECT_TRUE(oracle.contains(pair)) << "round " << round;
    EXPECT_EQ(found.empty(), oracle.empty()) << "round " << round;
    // The earliest entry with a hazard is found too.
    auto second = [](const Pair& a, const Pair& b) { return a.second < b.second; };
    if (!oracle.empty()) {
      EXPECT_EQ(found.front().second,
                std::min_element(oracle.begin(), oracle.end(), second)->second);
    }
    (oracle.empty() ? num_clean : num_dirty) += 1;
  }
  EXPECT_GT(num_clean, 300);
  EXPECT_GT(num_dirty, 300);
}

TEST(HazardCheck, TakesLongTracesInItsStride) {
  TraceBuilder t;
  for (int i = 0; i < 30'000; ++i) {
    const uint64_t at = static_cast<uint64_t>(i) * 7919 % 100'000;
    t.Op(0, {{at, at + 500, kRead, "x"}, {at + 250, at + 700, kWrite, "y"}});
    t.Record(0, i % 50).Wait(1, i % 50);
    t.Op(1, kRead, at, at + 100).Record(1, 99).Wait(0, 99);
  }
  EXPECT_THAT(t.Hazards(), IsEmpty());
}

}  // namespace
}  // namespace cadmus::sim
