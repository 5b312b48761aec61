// SPDX-License-Identifier: Apache-2.0
// State for tests of checkpoints: a few tensors of awkward shapes whose every element is known, cut
// among ranks in several ways.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/device/tensor.h"
#include "runtime/checkpoint/box.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

struct TestTensor {
  std::string name;
  DType dtype;  // F32 or F64
  Shape shape;
};

// A scalar, an empty tensor, and tensors of one to three dims with odd and prime sizes.
std::vector<TestTensor> SmallTensors();

// The boxes of one tensor that `rank` of `num_ranks` holds.
struct Cut {
  std::string name;
  std::function<std::vector<Box>(const Shape& shape, int rank, int num_ranks)> boxes;
};

// By rows, by columns, by flat ranges of elements (up to five boxes each), dealt out row by row,
// and whole on the last rank.
const std::vector<Cut>& AllCuts();
const Cut& RowCut();

std::unique_ptr<Device> OpenTestDevice();

// The state of one rank.
class ShardedState {
 public:
  // Every element has its known value.
  ShardedState(std::span<const TestTensor> tensors, const Cut& cut, int rank, int num_ranks,
               Stream& stream);

  const std::vector<StateEntry>& entries() const { return entries_; }
  std::vector<StateEntry>& entries() { return entries_; }
  void Clear();
  // How many elements are not bit for bit what they should be.
  int64_t NumWrong() const;

 private:
  std::vector<Tensor> memory_;
  std::vector<StateEntry> entries_;
};

}  // namespace cadmus
