// SPDX-License-Identifier: Apache-2.0
// A sample of the gate over MPI ranks: each layout computes the step of one rank.
#include <gtest/gtest.h>

#include "tests/launch/run/layouts/exchange_steps.h"
#include "tests/launch/run/layouts/layout_gate.h"
#include "tests/launch/run/training_fixture.h"
#include "tests/support/mpi_world.h"

namespace cadmus {
namespace {

// Every axis, zero stage and way to split a model over ranks once: ten layouts together.
std::vector<std::string> Sample(int world_size) {
  if (world_size == 2) {
    return {"tp=2 token_parts=2", "dp_shard=2 zero=2", "dp_shard=2 zero=3",
            "pp=2 schedule=ZBV model.llama.tie_word_embeddings=true"};
  }
  return {"dp_replicate=2 dp_shard=2 zero=1",
          "dp_replicate=2 dp_shard=2 zero=3 prefetch=2",
          "tp=4 model.llama.num_key_value_heads=2 train.recompute=SELECTIVE",
          "dp_shard=2 tp=2 zero=2 train.recompute=FULL",
          "pp=2 dp_shard=2 zero=3 schedule=DUAL_PIPE_V",
          "pp=4 schedule=INTERLEAVED train.offload_activations=true"};
}

TEST(LayoutsOverMpi, AgreeWithOneRank) {
  LayoutGate gate;
  const LayoutRun run;
  const auto device =
      OpenTestDevice(MakeThreadPool(1), CpuStreams::kInline, DeviceKind::kCpu, kLayoutDeviceBytes);
  const auto world = MpiWorld().Connect(*device, LayoutCommunicators(run));
  for (const std::string& overrides : Sample(world->size())) {
    const LayoutCase layout = NamedLayout(overrides);
    const auto ranks =
        ExchangeSteps(TrainRank(*layout.config, gate.data(), *device, *world, run), *world);
    if (world->rank() != 0) continue;
    const auto fault = FirstDisagreement(PutStepsTogether(ranks), gate.OneRank(*layout.config));
    EXPECT_FALSE(fault.has_value()) << layout.Name() << ": " << *fault;
  }
}

}  // namespace
}  // namespace cadmus
