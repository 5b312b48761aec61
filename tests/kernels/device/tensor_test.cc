// SPDX-License-Identifier: Apache-2.0
// Who owns memory, and who only borrows it.
#include "kernels/device/tensor.h"

#include <gtest/gtest.h>

#include <memory>

#include "kernels/open_device.h"

namespace cadmus {
namespace {

class TensorTest : public testing::Test {
 protected:
  TensorTest()
      : device_(OpenDevice({.memory_bytes = int64_t{1} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")) {}

  Tensor New() const {
    return Tensor(DType::kF32, {3, 5}, MemoryCategory::kActivationsWeight, *stream_);
  }
  int64_t LiveBytes() const { return device_->allocator().stats().current_total_bytes; }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(TensorTest, TheOwnerFreesOnce) {
  Tensor tensor = New();
  EXPECT_EQ(LiveBytes(), 256);
  EXPECT_EQ(tensor.category(), MemoryCategory::kActivationsWeight);
  Tensor other = std::move(tensor);
  EXPECT_FALSE(tensor);  // NOLINT(bugprone-use-after-move): empty by contract
  EXPECT_TRUE(other);
  EXPECT_EQ(other.category(), MemoryCategory::kActivationsWeight);
  other = New();
  EXPECT_EQ(LiveBytes(), 256);
  other.Reset();
  EXPECT_EQ(LiveBytes(), 0);
}

TEST_F(TensorTest, ABorrowedTensorIsTheSameMemoryAndFreesNothing) {
  Tensor owner = New();
  {
    Tensor borrowed = owner.Borrow();
    EXPECT_TRUE(borrowed);
    EXPECT_TRUE(borrowed.is_borrowed());
    EXPECT_EQ(borrowed.view().raw(), owner.view().raw());
    EXPECT_EQ(borrowed.view().shape(), owner.view().shape());
    EXPECT_EQ(borrowed.category(), owner.category());
    Tensor moved = std::move(borrowed);
    EXPECT_FALSE(borrowed);  // NOLINT(bugprone-use-after-move): empty by contract
    EXPECT_TRUE(moved.is_borrowed());
    Tensor again = moved.Borrow();
    moved.Reset();
    EXPECT_FALSE(moved);
    EXPECT_FALSE(moved.is_borrowed());
    EXPECT_EQ(LiveBytes(), 256);
  }
  EXPECT_EQ(LiveBytes(), 256);
  EXPECT_FALSE(owner.is_borrowed());
  owner.Reset();
  EXPECT_EQ(LiveBytes(), 0);
}

TEST_F(TensorTest, ATensorThatBorrowedCanOwn) {
  const Tensor owner = New();
  Tensor tensor = owner.Borrow();
  tensor = New();
  EXPECT_FALSE(tensor.is_borrowed());
  EXPECT_EQ(LiveBytes(), 512);
  tensor = owner.Borrow();
  EXPECT_EQ(LiveBytes(), 256);
}

TEST_F(TensorTest, BorrowingFromAnEmptyTensorIsEmpty) {
  const Tensor borrowed = Tensor().Borrow();
  EXPECT_FALSE(borrowed);
  EXPECT_FALSE(borrowed.is_borrowed());
}

TEST_F(TensorTest, UseOfABorrowedTensorIsThatOfItsOwner) {
  const auto copies = device_->NewStream(StreamKind::kCommunication, "copies");
  Tensor owner = New();
  const void* const address = owner.view().raw();
  owner.Borrow().RecordUse(*copies);
  owner.Reset();
  // Handed out again, behind the other stream: it is idle, so at once.
  EXPECT_EQ(New().view().raw(), address);
}

}  // namespace
}  // namespace cadmus
