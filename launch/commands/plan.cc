// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/plan.h"

#include <algorithm>
#include <iostream>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/quantity.h"
#include "launch/config/load_config.h"
#include "launch/config/run_config.pb.h"
#include "launch/plan/plan_text.h"
#include "launch/plan/schedule_text.h"
#include "launch/run/start_from.h"
#include "runtime/schedule/draw_schedule.h"
#include "runtime/schedule/schedule_file.h"
#include "runtime/schedule/verifier.h"

namespace cadmus {

int PrintPlan(const PlanFlags& flags) {
  RunConfig config;
  LoadConfig(flags.config_file, flags.overrides, config);
  AdoptModel(config);
  const RunPlan plan =
      MakePlan(config, flags.world_size == 0 ? WorldSizeOf(config) : flags.world_size);
  if (flags.json) {
    std::cout << PlanToJson(plan) << '\n' << std::flush;
  } else {
    std::cerr << PlanToText(plan);
  }
  if (plan.fits()) return 0;
  throw Error(Kind::kOutOfMemory,
              StrCat("a rank needs ", BytesText(plan.largest_memory_bytes()),
                     ", device.memory_gib gives ", BytesText(plan.memory_limit_bytes),
                     "; give more, take a smaller train.micro_batch_size, or divide the work over "
                     "more ranks"));
}

int VerifySchedule(const VerifyScheduleFlags& flags) {
  constexpr size_t kMostListed = 20;
  const Schedule schedule = LoadSchedule(flags.schedule_file);
  const std::vector<std::string> problems = FindProblems(schedule);
  if (!problems.empty()) {
    std::string text = StrCat(flags.schedule_file, " is not a training step:");
    for (size_t i = 0; i < std::min(problems.size(), kMostListed); ++i) {
      text += StrCat("\n  ", problems[i]);
    }
    if (problems.size() > kMostListed) {
      text += StrCat("\n  and ", problems.size() - kMostListed, " more");
    }
    throw Error(Kind::kConfig, text);
  }
  std::cerr << flags.schedule_file << ": ok\n" << ScheduleToReport(schedule);
  if (!flags.svg.empty()) ReplaceFile(flags.svg, DrawSvg(schedule), Kind::kConfig);
  return 0;
}

}  // namespace cadmus
