// SPDX-License-Identifier: Apache-2.0
#include "runtime/mesh/make_mesh.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "runtime/mesh/parallel_config.pb.h"

namespace cadmus {
namespace {

TEST(MakeMesh, UnsetConfigFillsTheWorldWithReplicas) {
  EXPECT_EQ(MakeMesh(ParallelConfig(), 5).Size(Axis::kDpReplicate), 5);
}

TEST(MakeMesh, TakesEveryAxisFromItsField) {
  ParallelConfig config;
  int world_size = 1;
  const int sizes[] = {2, 3, 5, 7, 11, 13};
  for (int i = 0; i < 6; ++i) {
    const Axis axis = AllAxes()[i];
    const auto* field = config.GetDescriptor()->FindFieldByName(std::string(AxisName(axis)));
    ASSERT_NE(field, nullptr) << AxisName(axis);
    config.GetReflection()->SetInt32(&config, field, sizes[i]);
    world_size *= sizes[i];
  }
  config.set_edp_replicate(3 * 5);
  config.set_edp_shard(7);
  config.set_ep(11);
  config.set_etp(13);
  const Mesh mesh = MakeMesh(config, world_size);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(mesh.Size(AllAxes()[i]), sizes[i]);
  EXPECT_EQ(mesh.Size(Axis::kEdpReplicate), 15);
  EXPECT_EQ(mesh.Size(Axis::kEdpShard), 7);
  EXPECT_EQ(mesh.Size(Axis::kEp), 11);
  EXPECT_EQ(mesh.Size(Axis::kEtp), 13);
}

TEST(MakeMesh, LayoutThatDoesNotDivideIsAConfigError) {
  ParallelConfig config;
  config.set_tp(2);
  try {
    MakeMesh(config, 3);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
  }
}

}  // namespace
}  // namespace cadmus
