// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/compare_checkpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "kernels/base/checksum.h"
#include "kernels/base/file.h"
#include "runtime/checkpoint/stored_tensors.h"
#include "tests/runtime/checkpoint/save_and_load.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One tensor as a checkpoint of one file.
template <class T>
struct Stored {
  std::string name = "x";
  DType dtype = DTypeOf<T>;
  Shape shape;
  std::vector<T> values;
};

template <class T>
fs::path Write(const fs::path& folder, const Stored<T>& tensor) {
  fs::create_directories(folder);
  const auto bytes = std::as_bytes(std::span(tensor.values));
  std::ofstream(folder / "data", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  Box whole = {.offset = tensor.shape, .extent = tensor.shape};
  for (int dim = 0; dim < tensor.shape.num_dims(); ++dim) whole.offset[dim] = 0;
  Manifest manifest = {.tensors = {{.name = tensor.name,
                                    .dtype = tensor.dtype,
                                    .shape = tensor.shape,
                                    .boxes = {{.box = whole}}}},
                       .files = {{.name = "data", .bytes = static_cast<int64_t>(bytes.size())}}};
  for (size_t at = 0; at < bytes.size(); at += kChecksumChunkBytes) {
    const size_t count = std::min<size_t>(bytes.size() - at, kChecksumChunkBytes);
    manifest.files[0].chunk_crc32c.push_back(Crc32c(bytes.subspan(at, count)));
  }
  WriteManifest(folder, manifest);
  return folder;
}

class CompareCheckpointsTest : public testing::Test {
 protected:
  template <class A, class B>
  TensorComparison Compare(const Stored<A>& a, const Stored<B>& b) const {
    const std::vector<TensorComparison> all =
        CompareCheckpoints(Write(folder_.path() / "a", a), Write(folder_.path() / "b", b));
    EXPECT_EQ(all.size(), 1u);
    return all.at(0);
  }

  TemporaryFolder folder_;
};

TEST_F(CompareCheckpointsTest, SameStateFromAnyTwoLayoutsIsBitEqual) {
  const std::vector<TestTensor> tensors = SmallTensors();
  std::vector<fs::path> checkpoints;
  for (const Cut& cut : AllCuts()) {
    const fs::path folder = folder_.path() / StrCat("cut", checkpoints.size());
    const int num_ranks = 1 + static_cast<int>(checkpoints.size()) % 4;
    SaveSharded({.folder = folder, .num_ranks = num_ranks, .tensors = tensors, .cut = cut});
    checkpoints.push_back(folder / "step-00000100");
  }
  for (const fs::path& other : checkpoints) {
    const auto all = CompareCheckpoints(checkpoints.front(), other);
    EXPECT_EQ(all.size(), tensors.size());
    for (const TensorComparison& comparison : all) {
      EXPECT_TRUE(comparison.bit_equal) << other << " " << comparison.name;
      EXPECT_FALSE(comparison.values) << comparison.name;
    }
  }
}

TEST_F(CompareCheckpointsTest, MeasuresOfDifferentValuesAreThoseOfTheirFormulas) {
  const TensorComparison x = Compare(Stored<float>{.shape = {2, 2}, .values = {1, 2, 3, 4}},
                                     Stored<float>{.shape = {2, 2}, .values = {1, 2.5, 3, 2}});
  EXPECT_FALSE(x.bit_equal);
  ASSERT_TRUE(x.values);
  EXPECT_EQ(x.values->num_different, 2);
  EXPECT_EQ(x.values->num_incomparable, 0);
  EXPECT_EQ(x.values->max_absolute, 2);
  EXPECT_EQ(x.values->max_relative, 0.5);
  EXPECT_DOUBLE_EQ(x.values->rms, std::sqrt((0.25 + 4) / 4));
}

TEST_F(CompareCheckpointsTest, NotANumberAndInfinityAreCountedApart) {
  const double nan = std::nan("");
  const TensorComparison x =
      Compare(Stored<double>{.shape = {5}, .values = {nan, nan, kInfinity, kInfinity, 1}},
              Stored<double>{.shape = {5}, .values = {nan, 0, kInfinity, -kInfinity, 3}});
  ASSERT_TRUE(x.values);
  EXPECT_EQ(x.values->num_different, 3);
  EXPECT_EQ(x.values->num_incomparable, 2);
  EXPECT_EQ(x.values->max_absolute, 2);
  EXPECT_DOUBLE_EQ(x.values->rms, std::sqrt(4.0 / 3));
}

TEST_F(CompareCheckpointsTest, ZerosOfEitherSignAreSameValuesButNotSameBits) {
  const TensorComparison x = Compare(Stored<float>{.shape = {1}, .values = {0.0F}},
                                     Stored<float>{.shape = {1}, .values = {-0.0F}});
  EXPECT_FALSE(x.bit_equal);
  ASSERT_TRUE(x.values);
  EXPECT_EQ(x.values->num_different, 0);
}

TEST_F(CompareCheckpointsTest, OtherDTypesOfOneShapeAreComparedByValue) {
  // 1, -2, the smallest subnormal and infinity in F16; 1 and 1/3 cut to 8 bits in BF16.
  const Stored<uint16_t> half = {
      .dtype = DType::kF16, .shape = {4}, .values = {0x3c00, 0xc000, 0x0001, 0x7c00}};
  const Stored<double> wide = {.shape = {4}, .values = {1, -2, std::ldexp(1, -24), kInfinity}};
  EXPECT_EQ(Compare(half, wide).values->num_different, 0);
  EXPECT_FALSE(Compare(half, wide).bit_equal);
  const TensorComparison brain =
      Compare(Stored<uint16_t>{.dtype = DType::kBF16, .shape = {2}, .values = {0x3f80, 0x3eab}},
              Stored<double>{.shape = {2}, .values = {1, 0.333984375}});
  EXPECT_EQ(brain.values->num_different, 0);
  EXPECT_EQ(brain.first->dtype, DType::kBF16);
}

TEST_F(CompareCheckpointsTest, OtherShapesAndNamesAreSaidWithoutValues) {
  const TensorComparison shape =
      Compare(Stored<int32_t>{.shape = {2, 3}, .values = {1, 2, 3, 4, 5, 6}},
              Stored<int32_t>{.shape = {3, 2}, .values = {1, 2, 3, 4, 5, 6}});
  EXPECT_FALSE(shape.bit_equal);
  EXPECT_FALSE(shape.values);
  EXPECT_EQ(shape.second->shape, Shape({3, 2}));

  const auto all = CompareCheckpoints(
      Write(folder_.path() / "a", Stored<uint8_t>{.name = "old", .shape = {1}, .values = {1}}),
      Write(folder_.path() / "b", Stored<uint8_t>{.name = "new", .shape = {1}, .values = {1}}));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "new");
  EXPECT_FALSE(all[0].first);
  EXPECT_EQ(all[1].name, "old");
  EXPECT_FALSE(all[1].second);
}

TEST_F(CompareCheckpointsTest, TensorsOfManyPiecesAreComparedToTheirEnd) {
  Stored<float> a = {.shape = {1'500'007}};
  for (int64_t i = 0; i < a.shape[0]; ++i) a.values.push_back(static_cast<float>(i));
  Stored<float> b = a;
  b.values.back() += 1;
  const TensorComparison x = Compare(a, b);
  ASSERT_TRUE(x.values);
  EXPECT_EQ(x.values->num_different, 1);
  EXPECT_EQ(x.values->max_absolute, 1);
}

TEST_F(CompareCheckpointsTest, DamageIsAnErrorNotADifference) {
  const Stored<float> tensor = {.shape = {2}, .values = {1, 2}};
  const fs::path a = Write(folder_.path() / "a", tensor), b = Write(folder_.path() / "b", tensor);
  std::ofstream(b / "data", std::ios::binary) << "\1\2\3\4\5\6\7\10";
  EXPECT_THROW(CompareCheckpoints(a, b), Error);
}

TEST_F(CompareCheckpointsTest, UnreadableTensorsAreThoseWhoseBytesAreDamaged) {
  // "x" has two chunks, the second of which is damaged; an empty tensor has no bytes at all.
  const Stored<uint8_t> tensor = {.shape = {kChecksumChunkBytes + 5},
                                  .values = std::vector<uint8_t>(kChecksumChunkBytes + 5, 7)};
  const fs::path folder = Write(folder_.path() / "a", tensor);
  Manifest manifest = ReadManifest(folder);
  const Shape first = {kChecksumChunkBytes};
  manifest.tensors = {
      {.name = "begin", .dtype = DType::kU8, .shape = first, .boxes = {{.box = {{0}, first}}}},
      {.name = "end",
       .dtype = DType::kU8,
       .shape = {5},
       .boxes = {{.box = {{0}, {5}}, .byte_offset = kChecksumChunkBytes}}},
      {.name = "none", .dtype = DType::kU8, .shape = {0}}};
  std::fstream(folder / "data", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(kChecksumChunkBytes + 2)
      .put('x');
  EXPECT_THAT(FindUnreadable(folder, manifest, LookAt::kSizes), testing::Each(std::string()));
  const std::vector<std::string> faults = FindUnreadable(folder, manifest, LookAt::kBytes);
  EXPECT_EQ(faults[0], "");
  EXPECT_THAT(faults[1], HasSubstr("bytes [4194304, 4194309) are damaged"));
  EXPECT_EQ(faults[2], "");
  fs::remove(folder / "data");
  EXPECT_THAT(FindUnreadable(folder, manifest, LookAt::kSizes)[0], HasSubstr("data"));
}

}  // namespace
}  // namespace cadmus
