// SPDX-License-Identifier: Apache-2.0
// KvCache: keys and values of the positions that generation has already seen, one pair of tensors
// per block.
#pragma once

#include <vector>

#include "kernels/device/tensor.h"

namespace cadmus {

// Letters: B sequences, T capacity in positions, K key/value heads, D head dim.
class KvCache {
 public:
  struct Spec {
    int64_t num_blocks = 0, batch = 0, capacity = 0, num_kv_heads = 0, head_dim = 0;
    DType dtype = DType::kNone;
  };

  KvCache(const Spec& spec, Stream& stream) : spec_(spec) {
    for (int64_t i = 0; i < 2 * spec.num_blocks; ++i) {
      tensors_.emplace_back(spec.dtype,
                            Shape{spec.batch, spec.capacity, spec.num_kv_heads, spec.head_dim},
                            MemoryCategory::kActivationsInput, stream);
    }
  }

  int64_t length() const { return length_; }  // positions filled
  int64_t capacity() const { return spec_.capacity; }
  const TensorView& keys_BTKD(int64_t block) const {
    return tensors_[static_cast<size_t>(2 * block)].view();
  }
  const TensorView& values_BTKD(int64_t block) const {
    return tensors_[static_cast<size_t>(2 * block + 1)].view();
  }

  // All blocks have appended `count` positions at [length(), length() + count).
  void Advance(int64_t count) {
    CADMUS_CHECK(length_ + count <= spec_.capacity,
                 StrCat(length_ + count, " of ", spec_.capacity, " positions"));
    length_ += count;
  }

 private:
  Spec spec_;
  std::vector<Tensor> tensors_;
  int64_t length_ = 0;
};

}  // namespace cadmus
