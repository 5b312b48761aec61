// SPDX-License-Identifier: Apache-2.0
// The gate is worth something: it catches every planted bug and names layout, step and tensor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "tests/launch/run/layouts/layout_gate.h"
#include "tests/launch/run/layouts/planted_bugs.h"
#include "tests/launch/run/layouts/tampered_communicator.h"

namespace cadmus {
namespace {

using testing::HasSubstr;

class NoBug final : public PlantedBug {
 public:
  std::unique_ptr<Communicator> Wrap(std::unique_ptr<Communicator> world) override {
    return std::make_unique<TamperedCommunicator>(std::move(world),
                                                  [](const TamperedCall& call) { call.forward(); });
  }
};

TEST(PlantedBugs, EachIsCaughtWithLayoutStepAndTensor) {
  LayoutGate gate;
  const std::vector<PlantedBugCase> bugs = PlantedBugs();
  EXPECT_GE(bugs.size(), 10u);
  std::set<std::string> sound;  // without a bug
  for (const PlantedBugCase& planted : bugs) {
    if (sound.insert(planted.layout.Name()).second) {
      NoBug no_bug;
      const auto without = gate.FirstFault(planted.layout, &no_bug);
      EXPECT_FALSE(without.has_value()) << planted.name << ", not planted: " << *without;
    }
    const auto fault = gate.FirstFault(planted.layout, planted.bug.get());
    EXPECT_TRUE(fault.has_value()) << planted.name << " was not caught";
    if (!fault) continue;
    EXPECT_THAT(*fault, HasSubstr(planted.layout.Name())) << planted.name;
    EXPECT_THAT(*fault, HasSubstr("step ")) << planted.name;
    EXPECT_THAT(*fault, HasSubstr(planted.names)) << planted.name;
  }
}

}  // namespace
}  // namespace cadmus
