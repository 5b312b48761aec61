// SPDX-License-Identifier: Apache-2.0
// Actions as words: how schedule files and pictures write them (schedule_file.h lists them).
#pragma once

#include <string>
#include <string_view>

#include "runtime/schedule/schedule.h"

namespace cadmus {

// "F3", or "F1.3" where ranks have several chunks. Not for fetches and releases, which have no
// word.
std::string ToWord(const Action& action, int num_chunks);

struct ParsedWord {
  Action action;
  std::string problem;  // empty if the word is one; else what is wrong with it, as a sentence
};
ParsedWord ParseWord(std::string_view word, const ScheduleSize& size);

}  // namespace cadmus
