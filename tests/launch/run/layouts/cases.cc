// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/cases.h"

#include <sstream>

#include "kernels/base/error.h"
#include "launch/config/apply_override.h"
#include "launch/config/layout_rules.h"
#include "launch/config/layouts.h"
#include "launch/config/run_config.pb.h"
#include "models/families.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/schedule/configured_schedule.h"

namespace cadmus {
namespace {

// Every split of 1 to 8 ranks with every zero stage and schedule, valid or not.
void VisitSplits(const std::function<void(const Split&, int zero, int schedule)>& visit) {
  for (int dp_replicate = 1; dp_replicate <= kMaxLayoutRanks; ++dp_replicate) {
    for (int dp_shard = 1; dp_shard <= kMaxLayoutRanks; ++dp_shard) {
      for (int tp = 1; tp <= kMaxLayoutRanks; ++tp) {
        for (int pp = 1; pp <= kMaxLayoutRanks; ++pp) {
          const Split split = {dp_replicate, dp_shard, tp, pp};
          if (split.world_size() > kMaxLayoutRanks) continue;
          const bool shards = dp_shard > 1;  // else all zero stages are one
          for (int zero = shards ? 1 : 0; zero <= (shards ? 3 : 0); ++zero) {
            for (int schedule = 0; schedule < ParallelConfig::FROM_FILE; ++schedule)
              visit(split, zero, schedule);
          }
        }
      }
    }
  }
}

RunConfig CoreConfig(const Split& split, int zero, int schedule) {
  RunConfig config = SmallRun(split.tp);
  SetSplit(split, config);
  ParallelConfig& parallel = *config.mutable_parallel();
  parallel.set_zero(zero);
  parallel.set_schedule(static_cast<ParallelConfig::Schedule>(schedule));
  parallel.set_sequence_parallel(config.data().sequence_length() % split.tp == 0);
  return config;
}

// The options that take other paths through the code, as digits of a number.
constexpr int kSoakRadix[] = {2, 2, 4, 2, 2, 2, 2};

int NumSoakVariants() {
  int product = 1;
  for (int radix : kSoakRadix) product *= radix;
  return product;
}

// Nothing where an option has no effect, so that the variant repeats another.
std::optional<RunConfig> SoakVariant(RunConfig config, int variant) {
  int digit[std::size(kSoakRadix)];
  for (size_t i = 0; i < std::size(kSoakRadix); ++i) {
    digit[i] = variant % kSoakRadix[i];
    variant /= kSoakRadix[i];
  }
  const auto& [unsplit, parts, recompute, offload, tied, uneven, chunks] = digit;
  ParallelConfig& parallel = *config.mutable_parallel();
  const bool interleaved = parallel.schedule() == ParallelConfig::INTERLEAVED;
  const bool one_stage = parallel.pp() * *NumChunks(parallel) == 1;
  const bool idle = (parallel.tp() == 1 && (unsplit > 0 || parts > 0)) ||
                    (one_stage && uneven > 0) || (!interleaved && chunks > 0);
  if (idle) return std::nullopt;
  if (unsplit > 0) parallel.set_sequence_parallel(!parallel.sequence_parallel());
  parallel.set_token_parts(1 + parts);
  parallel.set_chunks(2 + chunks);
  TrainConfig& train = *config.mutable_train();
  train.set_recompute(static_cast<TrainConfig::Recompute>(std::min(recompute, 2)));
  train.set_recompute_blocks(recompute == 3 ? 1 : 0);
  train.set_offload_activations(offload == 1);
  config.mutable_model()->mutable_llama()->set_tie_word_embeddings(tied == 1);
  SetStages(uneven == 1 ? Stages::kUneven : Stages::kEven, config);
  return config;
}

// The flags that change no path: each value meets each value of every other as `turn` counts on.
void TakeTurns(int turn, RunConfig& config) {
  constexpr double kBucketsMib[] = {4, 0.01, 1e-6};
  SetKeyValueHeads(turn % 5, config);
  config.mutable_parallel()->set_prefetch(turn / 2 % 3);
  TrainConfig& train = *config.mutable_train();
  train.set_overlap_reduction(turn % 2 == 0);
  train.set_bucket_mib(kBucketsMib[turn / 3 % 3]);
  train.set_micro_batch_size(1 + turn / 7 % 3);
}

}  // namespace

std::optional<LayoutCase> WithSmallestBatch(RunConfig config, CpuStreams streams) {
  const ParallelConfig& parallel = config.parallel();
  const int world_size =
      parallel.pp() * parallel.dp_replicate() * parallel.dp_shard() * parallel.tp();
  for (int64_t samples : {12, 16, 20, 24, 28, 32, 36, 48}) {
    config.mutable_train()->set_global_batch_size(samples);
    if (!LayoutProblems(config, world_size).empty()) continue;
    return LayoutCase{std::make_shared<const RunConfig>(std::move(config)), world_size, streams};
  }
  return std::nullopt;
}

LayoutCase NamedLayout(const std::string& overrides, Family family) {
  RunConfig config = SmallRun(1);
  SetSplit({}, config);
  SetKeyValueHeads(0, config);
  config.mutable_model()->mutable_llama()->set_tie_word_embeddings(false);
  SetFamily(family, config);
  std::istringstream words(overrides);
  for (std::string word; words >> word;)
    ApplyOverride(word.find('.') < word.find('=') ? word : "parallel." + word, config);
  auto layout = WithSmallestBatch(config, CpuStreams::kInline);
  CADMUS_CHECK(layout.has_value(), StrCat("no batch makes a layout of ", overrides));
  return std::move(*layout);
}

std::string LayoutCase::Name() const {
  RunConfig usual;
  usual.mutable_train()->set_steps(config->train().steps());
  const DecoderShape shape = MakeShape(config->model());
  const std::string family = shape.qk_norm ? "qwen" : shape.family;
  return StrCat(world_size,
                world_size == 1 ? " rank: " : " ranks: ", DescribeLayout(*config, usual), "; ",
                family, ", ", shape.num_layers, " blocks, ", shape.num_heads, "/",
                shape.num_kv_heads, " heads", shape.tied_embeddings ? ", tied" : "",
                streams == CpuStreams::kThreaded ? ", threaded streams" : "");
}

std::vector<LayoutCase> CoreCases() {
  std::vector<LayoutCase> cases;
  int turn = 0;  // of the schedules on one pipeline rank
  VisitSplits([&](const Split& split, int zero, int schedule) {
    constexpr int kOthers = ParallelConfig::FROM_FILE - 1;
    if (split.pp == 1 && schedule > 0 && turn++ / kOthers % kOthers != schedule - 1) return;
    RunConfig config = CoreConfig(split, zero, schedule);
    SetStages(Stages::kEven, config);
    SetKeyValueHeads(static_cast<int>(cases.size() / 2 % 5), config);
    config.mutable_model()->mutable_llama()->set_tie_word_embeddings(cases.size() % 2 == 1);
    if (auto valid = WithSmallestBatch(std::move(config), CpuStreams::kInline))
      cases.push_back(std::move(*valid));
  });
  return cases;
}

void VisitSoakCases(int part, int num_parts, const std::function<void(const LayoutCase&)>& visit) {
  int turn = 0;
  VisitSplits([&](const Split& split, int zero, int schedule) {
    const RunConfig core = CoreConfig(split, zero, schedule);
    for (int variant = 0; variant < NumSoakVariants(); ++variant) {
      std::optional<RunConfig> config = SoakVariant(core, variant);
      if (!config) continue;
      TakeTurns(turn, *config);
      const auto valid = WithSmallestBatch(
          std::move(*config), turn / 5 % 2 == 0 ? CpuStreams::kInline : CpuStreams::kThreaded);
      if (valid && turn++ % num_parts == part) visit(*valid);
    }
  });
}

RunConfig OneRankConfig(const RunConfig& config) {
  RunConfig one = config;
  one.clear_parallel();
  TrainConfig& train = *one.mutable_train();
  train.clear_micro_batch_size();
  train.clear_bucket_mib();
  train.clear_overlap_reduction();
  train.clear_recompute();
  train.clear_recompute_blocks();
  train.clear_offload_activations();
  return one;
}

std::string BitsKey(const LayoutCase& layout) {
  const ParallelConfig& parallel = layout.config->parallel();
  const AxisSizes sizes = FillWorld(MakeAxisSizes(parallel), layout.world_size);
  RunConfig key = OneRankConfig(*layout.config);
  key.mutable_train()->set_micro_batch_size(layout.config->train().micro_batch_size());
  // Zero 2 and 3 sum over the ranks before they sum over micro-batches.
  const bool sums_ranks_first = sizes.dp_shard > 1 && parallel.zero() >= 2;
  // A tied table has one sum of gradients where one stage holds it, else one for each of its two.
  // (A file's chunks are unknown here: those of the lists have several ranks.)
  const int num_stages = sizes.pp * NumChunks(parallel).value_or(1);
  const bool ties_stages = MakeShape(key.model()).tied_embeddings && num_stages > 1;
  return StrCat(
      key.SerializeAsString(), "|", ties_stages ? "ties stages " : "", sizes.dp_replicate, " ",
      sizes.dp_shard, " ", sums_ranks_first ? "ranks first " : "", sizes.tp,
      sizes.tp > 1 ? StrCat(" ", parallel.sequence_parallel(), " ", parallel.token_parts()) : "");
}

}  // namespace cadmus
