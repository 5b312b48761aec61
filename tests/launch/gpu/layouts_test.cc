// SPDX-License-Identifier: Apache-2.0
// The gate of all layouts on one device: ranks that are threads share it, and compute there the
// step of one rank (P1), with the same bits where layouts differ in flags only (P4); and one rank
// computes there what it computes on the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <thread>

#include "launch/config/run_config.pb.h"
#include "launch/plan/run_plan.h"
#include "tests/launch/run/layouts/family_cases.h"
#include "tests/launch/run/layouts/layout_gate.h"
#include "tests/launch/run/layouts/pairwise_cases.h"
#include "tests/support/test_device.h"

namespace cadmus {
namespace {

// Two steps: the second starts from what the first has updated.
constexpr int kNumSteps = 2;

// The layouts of the gate on so many ranks.
std::vector<LayoutCase> LayoutsOf(int world_size) {
  std::vector<LayoutCase> layouts = CoreCases();
  std::ranges::move(PairwiseCases(), std::back_inserter(layouts));
  std::ranges::move(FamilyCases(), std::back_inserter(layouts));
  std::erase_if(layouts, [&](const LayoutCase& layout) { return layout.world_size != world_size; });
  return layouts;
}

void ExpectAllAgree(unsigned world_size) {
  const std::vector<LayoutCase> all = LayoutsOf(static_cast<int>(world_size));
  // The CPU, where layouts_agree runs them all, takes a sample.
  const size_t stride = kTestDevice == DeviceKind::kCpu ? 6 : 1;
  std::vector<LayoutCase> layouts;
  for (size_t i = 0; i < all.size(); i += stride) layouts.push_back(all[i]);
  // A rank that waits for a GPU keeps a core busy.
  const unsigned at_a_time = std::thread::hardware_concurrency() / world_size;
  LayoutGate gate({.device = kTestDevice, .num_steps = kNumSteps});
  gate.VisitFaults(layouts, at_a_time, [](const std::string& fault) { ADD_FAILURE() << fault; });
  std::cout << layouts.size() << " layouts of " << world_size << " ranks" << std::endl;
}

TEST(LayoutsOnOneDevice, AreManyAndFitIntoTheirSlabOnAGpu) {
  size_t num_layouts = 0;
  for (const int world_size : {2, 4}) {
    for (const LayoutCase& layout : LayoutsOf(world_size)) {
      RunConfig config = *layout.config;
      config.mutable_device()->set_kind(DeviceConfig::CUDA);
      config.mutable_communication()->set_transport(CommunicationConfig::MPI);  // as local
      EXPECT_LE(MakePlan(config, world_size).largest_memory_bytes(), kLayoutDeviceBytes)
          << layout.Name();
      ++num_layouts;
    }
  }
  EXPECT_GE(num_layouts, 60u);
}

TEST(LayoutsOnOneDevice, OneRankAgreesWithTheCpu) {
  const LayoutGate gate;
  for (const Family family : {Family::kLlama, Family::kQwen, Family::kGpt2}) {
    const LayoutCase layout = NamedLayout("", family);
    const auto on = [&](DeviceKind device) {
      return TrainLayout(*layout.config, 1, gate.data(),
                         {.device = device, .num_steps = kNumSteps});
    };
    EXPECT_EQ(FirstDisagreement(on(kTestDevice), on(DeviceKind::kCpu)), std::nullopt)
        << layout.Name();
  }
}

TEST(LayoutsOnOneDevice, OfTwoRanksAgreeWithOneRank) { ExpectAllAgree(2); }

TEST(LayoutsOnOneDevice, OfFourRanksAgreeWithOneRank) { ExpectAllAgree(4); }

}  // namespace
}  // namespace cadmus
