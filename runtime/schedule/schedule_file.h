// SPDX-License-Identifier: Apache-2.0
// Schedules as text, for people to write (schedule.proto):
//
//   # 2 ranks, 1F1B, 3 micro-batches
//   micro_batches: 3
//   rank { stages: 0  actions: "F0 F1 B0 F2 B1 B2" }
//   rank { stages: 1  actions: "F0 B0 F1 B1 F2 B2" }
//
// Words, with micro-batch m (3) or chunk and micro-batch (1.3):
//   F3 forward   B3 backward   I3 input-backward   W3 weight-backward
//   O0.3|1.2     forward chunk 0 micro-batch 3 beside backward chunk 1 micro-batch 2
//   SA3 SG3 RA3 RG3   send or receive activation or gradient
//   D0 reduce the gradients of chunk 0   T tie-reduce   U optimizer
// Transfers are added where no rank has any (S, R), reductions and optimizer likewise (D, T, U).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// Reads a schedule. Throws kConfig with file and line for what is not a schedule: text that does
// not parse, words that are none, stages, chunks or micro-batches that do not exist. Whether it is
// a training step is for FindProblems to say.
Schedule LoadSchedule(const std::filesystem::path& path);

// The same from text; `source` names it in errors.
Schedule ParseSchedule(std::string_view source, const std::string& text);

// Writes what ParseSchedule reads back as the same schedule. Transfers, reductions and optimizer
// are left out where they would be added as they are. Requires a schedule without parameter
// fetches: WithParameterFetches makes these from it.
std::string ScheduleToText(const Schedule& schedule);

}  // namespace cadmus
