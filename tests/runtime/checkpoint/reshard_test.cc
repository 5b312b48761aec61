// SPDX-License-Identifier: Apache-2.0
// Any layout loads any checkpoint.
#include <gmock/gmock.h>

#include "runtime/checkpoint/list_checkpoints.h"
#include "runtime/checkpoint/verify_checkpoint.h"
#include "runtime/formats/safetensors.h"
#include "tests/runtime/checkpoint/save_and_load.h"
#include "tests/runtime/formats/file_contents.h"

namespace cadmus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ReshardFrom : public ::testing::TestWithParam<int> {};

TEST_P(ReshardFrom, AnyCutToAnyOtherIsBitEqual) {
  const TemporaryFolder folder;
  const int num_ranks = GetParam();
  int64_t step = 0;
  for (const Cut& saved : AllCuts()) {
    SaveSharded({.folder = folder.path(),
                 .completed_steps = ++step,
                 .num_ranks = num_ranks,
                 .tensors = SmallTensors(),
                 .cut = saved});
    const auto checkpoint = folder / CheckpointName(step);
    EXPECT_THAT(VerifyCheckpoint(checkpoint).problems, IsEmpty()) << saved.name;
    for (const Cut& wanted : AllCuts()) {
      for (int wanted_ranks = 1; wanted_ranks <= 4; ++wanted_ranks) {
        EXPECT_EQ(NumWrongAfterLoad(checkpoint, SmallTensors(), wanted, wanted_ranks), 0)
            << saved.name << " to " << wanted.name << " on " << wanted_ranks;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, ReshardFrom, ::testing::Values(1, 2, 3, 4));

TEST(Reshard, TensorsLargerThanTheHostBufferAndSeveralChunks) {
  const TemporaryFolder folder;
  const std::vector<TestTensor> tensors = {
      {.name = "wide", .dtype = DType::kF64, .shape = {3, 701'003}},
      {.name = "tall", .dtype = DType::kF32, .shape = {350'003, 13}}};
  const auto cut = [](std::string_view name) {
    return *std::ranges::find(AllCuts(), name, &Cut::name);
  };
  SaveSharded({.folder = folder.path(), .num_ranks = 2, .tensors = tensors, .cut = cut("columns")});
  const auto checkpoint = folder / CheckpointName(100);
  EXPECT_THAT(VerifyCheckpoint(checkpoint).problems, IsEmpty());
  EXPECT_EQ(NumWrongAfterLoad(checkpoint, tensors, cut("flat"), 1), 0);
}

TEST(Reshard, ARankWithoutEntriesWritesNoFile) {
  const TemporaryFolder folder;
  SaveSharded({.folder = folder.path(),
               .num_ranks = 3,
               .tensors = SmallTensors(),
               .cut = AllCuts().back()});  // whole on the last rank
  const Manifest manifest = ReadManifest(folder / CheckpointName(100));
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files[0].name, "shard-000002.safetensors");
}

TEST(Reshard, OnlyWritersAreSaved) {
  const TemporaryFolder folder;
  const Cut whole = {.name = "replicated", .boxes = [](const Shape& shape, int, int) {
                       return RowCut().boxes(shape, 0, 1);
                     }};
  SaveSharded({.folder = folder.path(),
               .num_ranks = 3,
               .tensors = SmallTensors(),
               .cut = whole,
               .change = [](int rank, std::vector<StateEntry>& entries) {
                 for (size_t i = 0; i < entries.size(); ++i) {
                   entries[i].is_writer = static_cast<int>(i) % 3 == rank;
                 }
               }});
  const auto checkpoint = folder / CheckpointName(100);
  EXPECT_EQ(ReadManifest(checkpoint).files.size(), 3u);
  EXPECT_EQ(NumWrongAfterLoad(checkpoint, SmallTensors(), AllCuts()[1], 2), 0);
}

TEST(Reshard, OtherProgramsFindWholeTensorsByTheirNames) {
  const TemporaryFolder folder;
  SaveSharded({.folder = folder.path(), .tensors = SmallTensors()});
  const SafetensorsFile shard(folder / "step-00000100/shard-000000.safetensors", Kind::kCheckpoint);
  EXPECT_EQ(shard.tensors().size(), SmallTensors().size());
  ASSERT_NE(shard.Find("weight"), nullptr);
  EXPECT_EQ(shard.Find("weight")->shape, (Shape{7, 5}));
  for (const SafetensorsTensor& tensor : shard.tensors()) {
    EXPECT_EQ(tensor.begin % SizeOf(tensor.dtype), 0) << tensor.name;
  }
}

TEST(LoadCheckpoint, FewerTensorsThanAreStoredMayBeAskedFor) {
  const TemporaryFolder folder;
  SaveSharded({.folder = folder.path(), .num_ranks = 2, .tensors = SmallTensors()});
  const std::vector<TestTensor> weights = {SmallTensors()[3]};
  EXPECT_EQ(NumWrongAfterLoad(folder / CheckpointName(100), weights), 0);
  EXPECT_EQ(NumWrongAfterLoad(folder / CheckpointName(100), {}), 0);
}

TEST(LoadCheckpoint, WhatIsStoredAsF32IsRoundedToBf16) {
  const TemporaryFolder folder;
  const std::vector<TestTensor> tensors = {
      {.name = "tall", .dtype = DType::kF32, .shape = {350'003, 13}}};
  SaveSharded({.folder = folder.path(), .num_ranks = 2, .tensors = tensors});
  const auto device = OpenTestDevice();
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  const ShardedState expected(tensors, RowCut(), 0, 1, *stream);
  const Tensor narrow(DType::kBF16, {350'003, 13}, MemoryCategory::kWeights, *stream);
  const std::vector<StateEntry> entries = {
      {.name = "tall", .global_shape = {350'003, 13}, .offset = {0, 0}, .local = narrow.view()}};
  LoadCheckpoint(folder / CheckpointName(100), entries, *stream);
  const auto* const wide = expected.entries().at(0).local.data<float>();
  const auto* const loaded = narrow.view().data<BFloat16>();
  int64_t num_wrong = 0;
  for (int64_t i = 0; i < narrow.view().num_elements(); ++i)
    num_wrong += loaded[i].bits() == BFloat16(wide[i]).bits() ? 0 : 1;
  EXPECT_EQ(num_wrong, 0);
}

TEST(LoadCheckpoint, WhatDoesNotFitIsNamedBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  SaveSharded({.folder = folder.path(), .tensors = SmallTensors()});
  std::vector<TestTensor> tensors = SmallTensors();
  tensors[2].shape = {14};
  tensors[3].dtype = DType::kF64;
  tensors[5].name = "other";
  const auto device = OpenTestDevice();
  const auto stream = device->NewStream(StreamKind::kCompute, "compute");
  ShardedState state(tensors, RowCut(), 0, 1, *stream);
  EXPECT_THAT(
      MessageOf(Kind::kCheckpoint,
                [&] { LoadCheckpoint(folder / CheckpointName(100), state.entries(), *stream); }),
      AllOf(HasSubstr("step-00000100"), HasSubstr("3 of 6 tensors"),
            HasSubstr("bias has shape [13] in the checkpoint, but [14]"),
            HasSubstr("weight is F32 in the checkpoint, but F64"),
            HasSubstr("other is not in the checkpoint")));
  EXPECT_EQ(state.NumWrong(), 0);
}

TEST(SaveCheckpoint, EveryRankFailsTheSameWayIfElementsAreMissingOrDoubled) {
  const TemporaryFolder folder;
  SaveSharded({.folder = folder.path(), .tensors = SmallTensors()});
  const auto failure = [&](const auto& change) {
    const std::string message = MessageOf(Kind::kCheckpoint, [&] {
      SaveSharded({.folder = folder.path(),
                   .completed_steps = 200,
                   .num_ranks = 2,
                   .tensors = SmallTensors(),
                   .change = change});
    });
    EXPECT_FALSE(std::filesystem::exists(folder / "step-00000200"));
    EXPECT_FALSE(std::filesystem::exists(folder / "step-00000200.tmp"));
    return message;
  };
  EXPECT_THAT(failure([](int rank, std::vector<StateEntry>& entries) {
                if (rank == 1) entries.clear();
              }),
              AllOf(HasSubstr("tensor bias"), HasSubstr("only 6 of its 13 elements")));
  EXPECT_THAT(failure([](int rank, std::vector<StateEntry>& entries) {
                if (rank == 0) return;
                for (StateEntry& entry : entries) {
                  if (entry.name == "weight") entry.offset[0] -= 1;
                }
              }),
              AllOf(HasSubstr("tensor weight"), HasSubstr("overlap")));
  EXPECT_EQ(FindLatestCheckpoint(folder.path()), folder / "step-00000100");
}

}  // namespace
}  // namespace cadmus
