// SPDX-License-Identifier: Apache-2.0
#include "launch/config/layout_rules.h"

#include <algorithm>
#include <functional>

#include "kernels/base/str_cat.h"
#include "launch/config/run_config.pb.h"
#include "models/decoder/placement.h"
#include "models/families.h"
#include "runtime/mesh/make_mesh.h"
#include "runtime/parallel/pipeline/stage_layout.h"
#include "runtime/schedule/configured_schedule.h"

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

class LayoutRules {
 public:
  LayoutRules(const RunConfig& config, int world_size)
      : config_(config),
        parallel_(config.parallel()),
        world_size_(world_size),
        asked_(MakeAxisSizes(config.parallel())),
        shape_(MakeShape(config.model())) {}

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
    for (std::string& problem : TensorParallelProblems(shape_, sizes_.tp))
      Add("parallel.tp", std::move(problem));
    const int64_t tokens = config_.train().micro_batch_size() * config_.data().sequence_length();
    const int64_t token_ranks = parallel_.sequence_parallel() ? sizes_.tp : 1;
    if (tokens % token_ranks != 0) {
      const auto fits = [&](int64_t tp) {
        return tokens % tp == 0 && TensorParallelProblems(shape_, static_cast<int>(tp)).empty();
      };
      Add("parallel.sequence_parallel",
          StrCat("parallel.sequence_parallel: the ", tokens,
                 " tokens of a micro-batch (micro_batch_size ", config_.train().micro_batch_size(),
                 " × sequence_length ", config_.data().sequence_length(),
                 ") are not divisible by tp ", sizes_.tp, "; nearest: tp ",
                 NearestValues(sizes_.tp, std::min<int64_t>(tokens, shape_.num_heads), fits),
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
    if (!chunks.has_value()) return;  // ValidateRun reads the file
    if (*chunks < 1) {
      Add("parallel.chunks",
          StrCat("parallel.chunks = ", *chunks, " of each pipeline rank; nearest: chunks 1"));
      return;
    }
    const std::string problem =
        StageLayoutProblem(shape_.num_layers, int64_t{sizes_.pp} * *chunks,
                           {parallel_.blocks_per_stage().data(),
                            static_cast<size_t>(parallel_.blocks_per_stage_size())});
    if (problem.empty()) return;
    if (parallel_.blocks_per_stage_size() > 0) {
      Add("parallel.blocks_per_stage", problem);
    } else {
      AddTooManyStages(*chunks, problem);
    }
  }

  // Fewer chunks help where there are blocks for all ranks, else fewer ranks.
  void AddTooManyStages(int chunks, const std::string& problem) {
    const int64_t blocks = shape_.num_layers;
    const bool interleaved = parallel_.schedule() == ParallelConfig::INTERLEAVED;
    const std::string ranks =
        blocks >= chunks ? StrCat("pp ", blocks / chunks) : StrCat("pp ", blocks, " with 1 chunk");
    if (blocks < sizes_.pp) {
      Add("parallel.pp", StrCat("parallel.pp = ", sizes_.pp, " × ", chunks, " chunks: ", problem,
                                "; nearest: ", ranks));
    } else if (interleaved) {
      Add("parallel.chunks", StrCat("parallel.chunks = ", chunks, " × pp ", sizes_.pp, ": ",
                                    problem, "; nearest: chunks ", blocks / sizes_.pp));
    } else {
      Add("parallel.schedule",
          StrCat("parallel.schedule = ", ParallelConfig::Schedule_Name(parallel_.schedule()),
                 " with ", chunks, " chunks × pp ", sizes_.pp, ": ", problem,
                 "; nearest: ", blocks >= chunks ? ranks + ", or " : "", "schedule ONE_F_ONE_B"));
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
  DecoderShape shape_;
  std::vector<LayoutProblem> problems_;
};

}  // namespace

std::vector<LayoutProblem> LayoutProblems(const RunConfig& config, int world_size) {
  return LayoutRules(config, world_size).Find();
}

}  // namespace cadmus
