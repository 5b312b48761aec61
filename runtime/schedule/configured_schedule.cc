// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/configured_schedule.h"

#include "kernels/base/error.h"
#include "runtime/mesh/parallel_config.pb.h"
#include "runtime/schedule/schedule_file.h"
#include "runtime/schedule/schedules.h"
#include "runtime/schedule/verifier.h"

namespace cadmus {
namespace {

ScheduleKind KindOf(ParallelConfig::Schedule schedule) {
  switch (schedule) {
    case ParallelConfig::ONE_F_ONE_B:
      return ScheduleKind::kOneForwardOneBackward;
    case ParallelConfig::GPIPE:
      return ScheduleKind::kGPipe;
    case ParallelConfig::INTERLEAVED:
      return ScheduleKind::kInterleaved;
    case ParallelConfig::ZB_H1:
      return ScheduleKind::kZbH1;
    case ParallelConfig::ZBV:
      return ScheduleKind::kZbV;
    case ParallelConfig::DUAL_PIPE_V:
      return ScheduleKind::kDualPipeV;
    case ParallelConfig::FROM_FILE:
      break;
  }
  CADMUS_UNREACHABLE("a file is not a built-in schedule");
}

}  // namespace

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

Schedule MakeSchedule(const ParallelConfig& config, int num_pipeline_ranks, int num_micro_batches) {
  if (config.schedule() != ParallelConfig::FROM_FILE) {
    return MakeSchedule(KindOf(config.schedule()), {.num_ranks = num_pipeline_ranks,
                                                    .num_chunks = *NumChunks(config),
                                                    .num_micro_batches = num_micro_batches});
  }
  Schedule schedule = LoadSchedule(config.schedule_file());
  if (schedule.size.num_ranks != num_pipeline_ranks ||
      schedule.size.num_micro_batches != num_micro_batches) {
    throw Error(Kind::kConfig,
                StrCat(config.schedule_file(), " is a schedule of ", schedule.size.num_ranks,
                       " ranks and ", schedule.size.num_micro_batches,
                       " micro-batches; this run has pp ", num_pipeline_ranks, " and ",
                       num_micro_batches, " micro-batches per data-parallel rank"));
  }
  if (const std::vector<std::string> problems = FindProblems(schedule); !problems.empty()) {
    throw Error(Kind::kConfig, StrCat(config.schedule_file(), ": ", problems.front(),
                                      "; cadmus plan --verify-schedule ", config.schedule_file(),
                                      " says all that is wrong"));
  }
  return schedule;
}

}  // namespace cadmus
