// SPDX-License-Identifier: Apache-2.0
#include "launch/config/layout_rules.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "kernels/base/str_cat.h"
#include "launch/config/run_config.pb.h"
#include "models/llama/model.h"
#include "runtime/mesh/make_mesh.h"

namespace cadmus {
namespace {

// "3 or 6": the nearest values below and above `asked` in [1, largest] that `fits`; "" if none.
std::string NearestValues(int64_t asked, int64_t largest,
                          const std::function<bool(int64_t)>& fits) {
  std::string values;
  for (int64_t value = std::min(asked - 1, largest); value >= 1 && values.empty(); --value) {
    if (fits(value)) values = StrCat(value);
  }
  for (int64_t value = std::max<int64_t>(asked + 1, 1); value <= largest; ++value) {
    if (!fits(value)) continue;
    return values.empty() ? StrCat(value) : StrCat(values, " or ", value);
  }
  return values;
}

std::string ShapeList(std::span<const int> values) {
  std::string list;
  for (int value : values) list += StrCat(list.empty() ? "" : ", ", value);
  return list;
}

std::vector<std::string> LlamaTensorParallelProblems(const LlamaShape& shape, int tp) {
  std::vector<std::string> problems;
  if (shape.num_heads % tp != 0) {
    problems.push_back(
        StrCat("tp = ", tp, " does not divide num_attention_heads = ", shape.num_heads));
  }
  if (shape.num_kv_heads % tp != 0 && tp % shape.num_kv_heads != 0) {
    problems.push_back(StrCat("tp = ", tp, " neither divides num_key_value_heads = ",
                              shape.num_kv_heads, " nor is a multiple of it"));
  }
  if (shape.intermediate_size % tp != 0) {
    problems.push_back(
        StrCat("tp = ", tp, " does not divide intermediate_size = ", shape.intermediate_size));
  }
  return problems;
}

class LayoutRules {
 public:
  LayoutRules(const RunConfig& config, int world_size)
      : config_(config),
        parallel_(config.parallel()),
        world_size_(world_size),
        asked_(MakeAxisSizes(config.parallel())),
        shape_(MakeLlamaShape(config.model().llama())) {}

  std::vector<LayoutProblem> Find() {
    CheckAxes();
    if (!problems_.empty()) return std::move(problems_);
    sizes_ = FillWorld(asked_, world_size_);
    CheckBatch();
    CheckZero();
    CheckTensorParallel();
    CheckStages();
    CheckSchedule();
    CheckRecompute();
    return std::move(problems_);
  }

 private:
  void Add(std::string field, std::string rule) {
    problems_.push_back({std::move(field), std::move(rule)});
  }

  void CheckAxes() {
    struct Absent {
      Axis axis;
      const char* what;
    };
    for (const auto& [axis, what] :
         {Absent{Axis::kCpRing, "context parallelism"},
          Absent{Axis::kCpUlysses, "context parallelism"},
          Absent{Axis::kEdpShard, "sharding of experts"}, Absent{Axis::kEp, "expert parallelism"},
          Absent{Axis::kEtp, "tensor parallelism of experts"}}) {
      if (asked_[axis] == 1) continue;
      const std::string field = StrCat("parallel.", AxisName(axis));
      Add(field, StrCat(field, " = ", asked_[axis], ": ", what, " is not supported yet; take 1"));
    }
    if (std::string rule = AxisSizesProblem(asked_, world_size_); !rule.empty()) {
      Add("parallel", std::move(rule));
    }
  }

  void CheckBatch() {
    const int64_t ranks = int64_t{sizes_.dp_replicate} * sizes_.dp_shard;
    const int64_t unit = config_.train().micro_batch_size() * ranks;
    const int64_t global = config_.train().global_batch_size();
    if (global % unit == 0) return;
    Add("train.global_batch_size",
        StrCat("train.global_batch_size = ", global,
               " is not a multiple of micro_batch_size × dp_replicate × dp_shard = ",
               config_.train().micro_batch_size(), " × ", sizes_.dp_replicate, " × ",
               sizes_.dp_shard,
               "; the nearest that are: ", NearestValues(global, global + unit, [&](int64_t value) {
                 return value % unit == 0;
               })));
  }

  void CheckZero() {
    if (parallel_.zero() < 0 || parallel_.zero() > 3) {
      Add("parallel.zero",
          StrCat("parallel.zero = ", parallel_.zero(),
                 "; it is 0 (nothing is sharded) to 3; nearest: ", parallel_.zero() < 0 ? 0 : 3));
    } else if (parallel_.zero() == 0 && sizes_.dp_shard > 1) {
      Add("parallel.zero",
          StrCat("parallel.zero = 0 shards nothing, but dp_shard = ", sizes_.dp_shard,
                 "; nearest: zero 1, or these ranks along dp_replicate"));
    }
    if (parallel_.prefetch() < 0) {
      Add("parallel.prefetch", StrCat("parallel.prefetch = ", parallel_.prefetch(),
                                      "; it is a number of modules; nearest: 0"));
    }
  }

  void CheckTensorParallel() {
    for (const std::string& problem : LlamaTensorParallelProblems(shape_, sizes_.tp)) {
      const std::string nearest = NearestValues(sizes_.tp, shape_.num_heads, [&](int64_t tp) {
        return LlamaTensorParallelProblems(shape_, static_cast<int>(tp)).empty();
      });
      Add("parallel.tp", StrCat("parallel.", problem, "; nearest: tp ", nearest));
    }
    const int64_t tokens = config_.train().micro_batch_size() * config_.data().sequence_length();
    const int64_t token_ranks = parallel_.sequence_parallel() ? sizes_.tp : 1;
    if (tokens % token_ranks != 0) {
      Add("parallel.sequence_parallel",
          StrCat("parallel.sequence_parallel: the ", tokens,
                 " tokens of a micro-batch (micro_batch_size ", config_.train().micro_batch_size(),
                 " × sequence_length ", config_.data().sequence_length(),
                 ") are not divisible by tp ", sizes_.tp, "; nearest: tp ",
                 NearestValues(sizes_.tp, std::min<int64_t>(tokens, shape_.num_heads),
                               [&](int64_t tp) { return tokens % tp == 0; }),
                 ", or sequence_parallel false"));
      return;
    }
    // Every part must divide over the ranks again.
    const auto fits = [&](int64_t parts) { return tokens % (parts * token_ranks) == 0; };
    if (parallel_.token_parts() < 1 || !fits(parallel_.token_parts())) {
      Add("parallel.token_parts",
          StrCat("parallel.token_parts = ", parallel_.token_parts(), " does not cut the ",
                 tokens / token_ranks,
                 token_ranks > 1 ? " tokens of a rank (micro_batch_size × sequence_length / tp)"
                                 : " tokens of a micro-batch",
                 " into equal parts; nearest: ",
                 NearestValues(parallel_.token_parts(), tokens, fits)));
    }
  }

  void CheckStages() {
    const std::optional<int> chunks = NumChunks(parallel_);
    if (parallel_.schedule() == ParallelConfig::INTERLEAVED && *chunks < 2) {
      Add("parallel.chunks", StrCat("parallel.chunks = ", *chunks,
                                    "; INTERLEAVED needs 2 or more; nearest: chunks 2"));
      return;
    }
    const std::vector<int> asked(parallel_.blocks_per_stage().begin(),
                                 parallel_.blocks_per_stage().end());
    if (!chunks.has_value() && asked.empty()) return;
    const int64_t stages =
        chunks.has_value() ? int64_t{sizes_.pp} * *chunks : static_cast<int64_t>(asked.size());
    const std::string stages_text =
        chunks.has_value() ? StrCat("pp ", sizes_.pp, " × ", *chunks, " chunks = ", stages)
                           : StrCat(stages);
    if (asked.empty()) {
      if (shape_.num_layers >= stages) return;
      const bool can_have_fewer =
          parallel_.schedule() == ParallelConfig::INTERLEAVED && *chunks > 2;
      Add(can_have_fewer ? "parallel.chunks"
          : *chunks > 1  ? "parallel.schedule"
                         : "parallel.pp",
          StrCat(stages_text, " stages for num_hidden_layers = ", shape_.num_layers,
                 "; every stage needs a block, or parallel.blocks_per_stage says which has none; "
                 "nearest: pp ",
                 std::max<int64_t>(1, shape_.num_layers / *chunks)));
      return;
    }
    const std::string field = "parallel.blocks_per_stage";
    const std::string list = StrCat(field, " = ", ShapeList(asked));
    const std::string even = ShapeList(BlocksPerStage(
        ParallelConfig(), shape_.num_layers,
        static_cast<int>(std::clamp<int64_t>(stages, 1, std::max<int64_t>(1, shape_.num_layers)))));
    if (static_cast<int64_t>(asked.size()) != stages) {
      Add(field, StrCat(list, " has ", asked.size(), " entries for ", stages_text,
                        " stages; nearest: ", even));
    } else if (std::accumulate(asked.begin(), asked.end(), int64_t{0}) != shape_.num_layers) {
      Add(field,
          StrCat(list, " adds up to ", std::accumulate(asked.begin(), asked.end(), int64_t{0}),
                 ", not to num_hidden_layers = ", shape_.num_layers, "; nearest: ", even));
    } else {
      for (size_t stage = 0; stage < asked.size(); ++stage) {
        const bool at_end = stage == 0 || stage + 1 == asked.size();
        if (asked[stage] >= (at_end ? 0 : 1)) continue;
        Add(field, StrCat(list, " gives stage ", stage, " of ", asked.size(), " ", asked[stage],
                          " blocks; only the first stage, with the embedding, and the last, with "
                          "the head, can have none; nearest: ",
                          even));
        return;
      }
    }
  }

  void CheckSchedule() {
    const bool from_file = parallel_.schedule() == ParallelConfig::FROM_FILE;
    if (from_file && parallel_.schedule_file().empty()) {
      Add("parallel.schedule",
          "parallel.schedule = FROM_FILE without parallel.schedule_file; name the file");
    } else if (!from_file && !parallel_.schedule_file().empty()) {
      Add("parallel.schedule_file",
          StrCat("parallel.schedule_file = \"", parallel_.schedule_file(),
                 "\" is read with parallel.schedule = FROM_FILE only, not with ",
                 ParallelConfig::Schedule_Name(parallel_.schedule())));
    }
    if (parallel_.schedule() == ParallelConfig::INTERLEAVED && sizes_.pp < 2) {
      Add("parallel.schedule",
          StrCat("parallel.schedule = INTERLEAVED with pp = ", sizes_.pp,
                 "; it interleaves the chunks of 2 or more ranks; nearest: pp 2, or ONE_F_ONE_B"));
      return;
    }
    const int64_t micro_batches = NumMicroBatches();
    if (micro_batches == 0) return;  // CheckBatch speaks
    const int64_t least = parallel_.schedule() == ParallelConfig::DUAL_PIPE_V ? 2 * sizes_.pp : 1;
    if (micro_batches < least) {
      Add("parallel.schedule",
          StrCat(
              "parallel.schedule = ", ParallelConfig::Schedule_Name(parallel_.schedule()),
              " with pp ", sizes_.pp, " needs ", least,
              " or more micro-batches on each rank, and has ", micro_batches,
              " (global_batch_size / micro_batch_size / data-parallel ranks); nearest: "
              "global_batch_size ",
              least * config_.train().micro_batch_size() * sizes_.dp_replicate * sizes_.dp_shard));
    }
  }

  // 0 where the batch does not divide.
  int64_t NumMicroBatches() const {
    const int64_t unit =
        config_.train().micro_batch_size() * int64_t{sizes_.dp_replicate} * sizes_.dp_shard;
    return config_.train().global_batch_size() % unit == 0
               ? config_.train().global_batch_size() / unit
               : 0;
  }

  void CheckRecompute() {
    const TrainConfig& train = config_.train();
    if (train.recompute_blocks() == 0) return;
    if (train.recompute() != TrainConfig::FULL) {
      Add("train.recompute_blocks",
          StrCat("train.recompute_blocks = ", train.recompute_blocks(),
                 " counts blocks of train.recompute = FULL, not of ",
                 TrainConfig::Recompute_Name(train.recompute()), "; nearest: recompute_blocks 0"));
    } else if (train.recompute_blocks() < 0 || train.recompute_blocks() > shape_.num_layers) {
      Add("train.recompute_blocks",
          StrCat("train.recompute_blocks = ", train.recompute_blocks(),
                 " of a model of num_hidden_layers = ", shape_.num_layers,
                 "; 0 means all; nearest: ", train.recompute_blocks() < 0 ? 0 : shape_.num_layers));
    }
  }

  const RunConfig& config_;
  const ParallelConfig& parallel_;
  int world_size_;
  AxisSizes asked_;
  AxisSizes sizes_;  // filled
  LlamaShape shape_;
  std::vector<LayoutProblem> problems_;
};

}  // namespace

std::vector<LayoutProblem> LayoutProblems(const RunConfig& config, int world_size) {
  return LayoutRules(config, world_size).Find();
}

std::optional<int> NumChunks(const ParallelConfig& config) {
  switch (config.schedule()) {
    case ParallelConfig::INTERLEAVED:
      return config.chunks();
    case ParallelConfig::ZBV:
    case ParallelConfig::DUAL_PIPE_V:
      return 2;
    case ParallelConfig::FROM_FILE:
      return std::nullopt;
    default:
      return 1;
  }
}

std::vector<int> BlocksPerStage(const ParallelConfig& config, int64_t num_blocks, int num_stages) {
  if (config.blocks_per_stage_size() > 0) {
    return {config.blocks_per_stage().begin(), config.blocks_per_stage().end()};
  }
  std::vector<int> blocks(static_cast<size_t>(num_stages));
  for (int stage = 0; stage < num_stages; ++stage) {
    blocks[static_cast<size_t>(stage)] =
        static_cast<int>(num_blocks / num_stages + (stage < num_blocks % num_stages ? 1 : 0));
  }
  return blocks;
}

}  // namespace cadmus
