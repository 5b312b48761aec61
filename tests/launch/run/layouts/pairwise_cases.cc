// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/pairwise_cases.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <tuple>

#include "kernels/base/philox.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/layouts/small_run.h"

namespace cadmus {
namespace {

// The values of one layout in the order of kNumChoices: indices into the lists below.
enum Option {
  kSplit,
  kZero,
  kSchedule,
  kChunks,
  kStages,
  kSequenceParallel,
  kTokenParts,
  kRecompute,
  kOffload,
  kPrefetch,
  kOverlap,
  kBuckets,
  kMicroBatch,
  kTied,
  kKeyValueHeads,
  kStreams,
  kNumOptions
};

// Two to four axes together, and each alone at its largest.
constexpr Split kSplits[] = {{2, 1, 2, 2}, {1, 2, 2, 2}, {2, 2, 2, 1}, {2, 2, 1, 2}, {1, 4, 1, 2},
                             {1, 2, 4, 1}, {1, 2, 1, 4}, {1, 1, 2, 4}, {1, 1, 4, 2}, {1, 3, 2, 1},
                             {1, 1, 3, 2}, {1, 2, 1, 3}, {1, 1, 6, 1}, {4, 2, 1, 1}, {1, 2, 3, 1}};
constexpr double kBucketsMib[] = {4, 0.01, 1e-6};
constexpr int kNumValues[kNumOptions] = {
    std::size(kSplits), 4, 6, 2, 2, 2, 3, 4, 2, 3, 2, 3, 3, 2, 4, 2};

using Choices = std::vector<int>;  // [Option]

// Whether an option has no effect beside the others, so that its values are one and the same.
bool IsIdle(const Choices& choices, Option option) {
  const Split& split = kSplits[choices[kSplit]];
  switch (option) {
    case kZero:
      return split.dp_shard == 1;
    case kStages:
      return split.pp == 1 && (choices[kSchedule] == ParallelConfig::ONE_F_ONE_B ||
                               choices[kSchedule] == ParallelConfig::GPIPE ||
                               choices[kSchedule] == ParallelConfig::ZB_H1);
    case kChunks:
      return choices[kSchedule] != ParallelConfig::INTERLEAVED;
    case kSequenceParallel:
    case kTokenParts:
      return split.tp == 1;
    case kPrefetch:
      return choices[kZero] != 3;
    default:
      return false;
  }
}

std::optional<LayoutCase> CaseOf(const Choices& choices) {
  const Split& split = kSplits[choices[kSplit]];
  RunConfig config = SmallRun(split.tp);
  SetSplit(split, config);
  SetKeyValueHeads(choices[kKeyValueHeads], config);
  ParallelConfig& parallel = *config.mutable_parallel();
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  parallel.set_zero(choices[kZero]);
  parallel.set_schedule(static_cast<ParallelConfig::Schedule>(choices[kSchedule]));
  parallel.set_chunks(2 + choices[kChunks]);
  parallel.set_sequence_parallel(choices[kSequenceParallel] == 0);
  parallel.set_token_parts(choices[kTokenParts] + 1);
  parallel.set_prefetch(choices[kPrefetch]);
  TrainConfig& train = *config.mutable_train();
  train.set_recompute(static_cast<TrainConfig::Recompute>(std::min(choices[kRecompute], 2)));
  train.set_recompute_blocks(choices[kRecompute] == 3 ? 1 : 0);
  train.set_offload_activations(choices[kOffload] == 1);
  train.set_overlap_reduction(choices[kOverlap] == 0);
  train.set_bucket_mib(kBucketsMib[choices[kBuckets]]);
  train.set_micro_batch_size(choices[kMicroBatch] + 1);
  llama.set_tie_word_embeddings(choices[kTied] == 1);
  SetStages(choices[kStages] == 0 ? Stages::kEven : Stages::kUneven, config);
  return WithSmallestBatch(std::move(config),
                           choices[kStreams] == 0 ? CpuStreams::kInline : CpuStreams::kThreaded);
}

class Random {
 public:
  explicit Random(uint64_t seed) : key_(DeriveKey(seed, 0, 0)) {}
  int Below(int bound) {
    return static_cast<int>(Philox(key_, {counter_++, 0, 0, 0})[0] % static_cast<uint32_t>(bound));
  }

 private:
  PhiloxKey key_;
  uint32_t counter_ = 0;
};

using Pair = std::tuple<int, int, int, int>;  // option, value, option, value

std::vector<Pair> PairsOf(const Choices& choices) {
  std::vector<Pair> pairs;
  for (int a = 0; a < kNumOptions; ++a) {
    if (IsIdle(choices, static_cast<Option>(a))) continue;
    for (int b = a + 1; b < kNumOptions; ++b) {
      if (IsIdle(choices, static_cast<Option>(b))) continue;
      pairs.emplace_back(a, choices[static_cast<size_t>(a)], b, choices[static_cast<size_t>(b)]);
    }
  }
  return pairs;
}

Choices RandomChoices(Random& random) {
  Choices choices;
  for (int values : kNumValues) choices.push_back(random.Below(values));
  return choices;
}

}  // namespace

std::vector<LayoutCase> PairwiseCases() {
  constexpr int kCandidates = 60;
  constexpr int kFruitlessRounds = 40;
  Random random(4);
  std::set<Pair> covered;
  std::vector<LayoutCase> cases;
  for (int fruitless = 0; fruitless < kFruitlessRounds;) {
    std::optional<LayoutCase> best;
    std::vector<Pair> best_pairs;
    size_t most = 0;
    for (int candidate = 0; candidate < kCandidates; ++candidate) {
      const Choices choices = RandomChoices(random);
      std::vector<Pair> pairs = PairsOf(choices);
      const auto fresh = static_cast<size_t>(std::count_if(
          pairs.begin(), pairs.end(), [&](const Pair& pair) { return !covered.contains(pair); }));
      if (fresh <= most) continue;
      std::optional<LayoutCase> layout = CaseOf(choices);
      if (!layout) continue;
      best = std::move(layout);
      best_pairs = std::move(pairs);
      most = fresh;
    }
    if (!best) {
      ++fruitless;
      continue;
    }
    fruitless = 0;
    covered.insert(best_pairs.begin(), best_pairs.end());
    cases.push_back(std::move(*best));
  }
  return cases;
}

}  // namespace cadmus
