// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/schedule_file_cases.h"

#include <algorithm>
#include <fstream>

#include "kernels/base/error.h"
#include "runtime/schedule/schedule_file.h"
#include "runtime/schedule/schedules.h"

namespace cadmus {
namespace {

// Two stages that follow each other on each rank; all forward passes first on rank 0; whole and
// split backward passes.
constexpr char kByHand[] = R"(micro_batches: 3
rank {
  stages: [0, 1]
  actions: "F0.0 F1.0 F0.1 F1.1 F0.2 F1.2"
  actions: "B1.0 B0.0 I1.1 I0.1 I1.2 I0.2 W0.1 W1.1 W1.2 W0.2"
}
rank {
  stages: [2, 3]
  actions: "F0.0 F1.0 B1.0 B0.0 F0.1 F1.1 I1.1 I0.1 F0.2 F1.2 I1.2 W1.1 I0.2 W0.1 W0.2 W1.2"
}
)";

// The last rank has what the first has in the built-in schedule.
Schedule Reversed(Schedule schedule) {
  std::ranges::reverse(schedule.actions);
  std::ranges::reverse(schedule.stage_of);
  return schedule;
}

}  // namespace

std::vector<LayoutCase> ScheduleFileCases(const std::filesystem::path& folder) {
  std::vector<LayoutCase> cases;
  const auto add = [&](const std::string& name, const std::string& text,
                       const std::string& layout) {
    const std::string path = folder / (name + ".textproto");
    std::ofstream out(path);
    out << text;
    out.close();
    CADMUS_CHECK(out.good(), StrCat("cannot write ", path));
    cases.push_back(NamedLayout(StrCat(layout, " schedule=FROM_FILE schedule_file=", path)));
  };
  using enum ScheduleKind;
  struct BuiltIn {
    ScheduleKind kind;
    ScheduleSize size;
    const char* layout;
  };
  constexpr char kTied[] = " model.llama.tie_word_embeddings=true";
  for (const auto& [kind, size, layout] :
       {BuiltIn{kGPipe, {2, 1, 12}, "pp=2 tp=2 train.recompute=FULL"},
        BuiltIn{kOneForwardOneBackward, {4, 1, 6}, "pp=4 dp_shard=2 zero=3 prefetch=2"},
        BuiltIn{kInterleaved, {2, 2, 6}, "pp=2 dp_shard=2 zero=2"},
        BuiltIn{kZbH1, {3, 1, 12}, "pp=3 tp=2 token_parts=2"}, BuiltIn{kZbV, {4, 2, 12}, "pp=4"},
        BuiltIn{kDualPipeV, {2, 2, 6}, "pp=2 dp_replicate=2 tp=2"}}) {
    const Schedule schedule = MakeSchedule(kind, size);
    add(std::string(Name(kind)), ScheduleToText(schedule), layout);
    add(StrCat(Name(kind), "-reversed"), ScheduleToText(Reversed(schedule)), StrCat(layout, kTied));
  }
  add("by-hand", kByHand, "pp=2 train.micro_batch_size=4");
  add("by-hand-sharded", kByHand, "pp=2 dp_shard=2 zero=3 train.micro_batch_size=2");
  return cases;
}

}  // namespace cadmus
