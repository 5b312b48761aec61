// SPDX-License-Identifier: Apache-2.0
// What the cases of the contract share: buffers with known values, and the error of a call.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "collectives/communicator/communicator.h"

namespace cadmus {

inline constexpr std::chrono::seconds kWait(60);

// What `view`, a buffer of the device of `stream`, holds behind the work issued there.
template <class T>
std::vector<T> ValuesOf(const ConstTensorView& view, Stream& stream) {
  std::vector<T> values(static_cast<size_t>(view.num_elements()));
  const TensorView host(values.data(), view.dtype(), view.shape());
  stream.device().CopyToHost(host, view, stream);
  stream.Synchronize(kWait);
  return values;
}

// A vector in device memory, filled through `stream`, which outlives it.
template <class T>
class Buffer {
 public:
  template <class Fill>
  Buffer(int64_t count, Stream& stream, Fill fill)
      : stream_(stream), tensor_(DTypeOf<T>, {count}, MemoryCategory::kGradients, stream) {
    std::vector<T> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(fill(i));
    Set(values);
  }
  Buffer(int64_t count, Stream& stream) : Buffer(count, stream, [](int64_t) { return T(77); }) {}

  const TensorView& view() const { return tensor_.view(); }
  TensorView Part(int64_t index, int64_t count) const {
    return view().Slice(0, index * count, (index + 1) * count);
  }
  std::vector<T> Values() const { return ValuesOf<T>(view(), stream_); }
  void Set(const std::vector<T>& values) {
    const ConstTensorView host(values.data(), view().dtype(), view().shape());
    stream_.device().CopyToDevice(view(), host, stream_);
    stream_.Synchronize(kWait);
  }

 private:
  Stream& stream_;
  Tensor tensor_;
};

// Exact in f32, also when summed over a few ranks; differs by rank and position.
template <class T>
T Value(int rank, int64_t i) {
  return static_cast<T>((rank + 1) * (i % 101) - 3 * rank);
}

template <class T>
std::vector<T> Filled(int64_t count, const std::function<T(int64_t)>& value) {
  std::vector<T> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(value(i));
  return out;
}

inline std::vector<int> AllRanks(const Communicator& world) {
  std::vector<int> all(static_cast<size_t>(world.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Issues `call` to a stream of its own, since a failed stream stays failed, and returns the error
// that surfaces.
template <class Call>
std::string FailureOf(Communicator& group, const Stream& like, const Call& call) {
  const std::unique_ptr<Stream> stream = group.device().NewStream(like.kind(), "failing");
  try {
    call(*stream);
    stream->Synchronize(kWait);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kCommunication) << error.what();
    return error.message();
  }
  ADD_FAILURE() << "the call did not fail";
  return "";
}

}  // namespace cadmus
