// SPDX-License-Identifier: Apache-2.0
// Data parallelism over MPI ranks computes the step that one rank computes (P1), to the bit as over
// local ranks.
#include <gtest/gtest.h>

#include "launch/config/run_config.pb.h"
#include "tests/launch/run/training_fixture.h"
#include "tests/support/mpi_world.h"

namespace cadmus {
namespace {

constexpr int kSteps = 3;

TEST(DataParallelOverMpi, AgreesWithOneRankAndWithLocalRanks) {
  const TemporaryFolder folder;
  const RunConfig config = TinyRun();
  const auto data = UnevenDocuments(folder.path(), 131);
  const auto pool = MakeThreadPool(1);
  const auto device = OpenTestDevice(pool);
  const auto world = MpiWorld().Connect(*device);
  const auto over_mpi = TrainSteps(config, data, *device, *world, kSteps);

  ExpectSameBits(over_mpi, TrainStepsLocally(config, data, world->size(), kSteps),
                 "mpi and local ranks");
  const auto one = TrainStepsLocally(config, data, 1, kSteps);
  for (int step = 0; step < kSteps; ++step) {
    const auto i = static_cast<size_t>(step);
    EXPECT_NEAR(over_mpi[i].result.loss, one[i].result.loss, 1e-10 * one[i].result.loss);
    ExpectTensorsNear(over_mpi[i].gradients, one[i].gradients, 1e-10,
                      StrCat("gradients, step ", step));
    ExpectTensorsNear(over_mpi[i].weights, one[i].weights, 1e-10, StrCat("weights, step ", step));
  }
}

TEST(DataParallelOverMpi, OverlapChangesNoBit) {
  const TemporaryFolder folder;
  RunConfig config = TinyRun();
  const auto data = UnevenDocuments(folder.path(), 131);
  const auto device = OpenTestDevice(MakeThreadPool(1));
  const auto world = MpiWorld().Connect(*device);
  const auto reference = TrainSteps(config, data, *device, *world, kSteps);
  config.mutable_train()->set_overlap_reduction(false);
  config.mutable_train()->set_bucket_mib(0.01);
  ExpectSameBits(TrainSteps(config, data, *device, *world, kSteps), reference,
                 "no overlap, small buckets");
}

}  // namespace
}  // namespace cadmus
