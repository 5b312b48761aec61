// SPDX-License-Identifier: Apache-2.0
// SpeedRun: what the cases of a GPU benchmark share: the device, the machine of the timing
// protocol, and where the lines of results go. Buffers: fixed random data, and how much of it there
// is. Free of vendor headers: the cases also run on the sim device, which checks their arguments.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "benchmarks/timing/protocol.h"
#include "benchmarks/timing/result_line.h"
#include "kernels/device/device.h"
#include "kernels/device/tensor.h"

namespace cadmus::gpu_speed {

struct SpeedRun {
  Stream& stream;
  timing::Machine& machine;
  timing::Protocol protocol;
  int64_t cache_bytes = 0;  // of the GPU's last-level cache
  std::ostream& results;    // a line per case, flushed
  std::ostream& people;     // the same in short

  // Measures and reports. `findings_of` turns the measurement into rates; `b` null: A alone.
  void Report(const std::string& case_name, const timing::Contestant& a,
              const timing::Contestant* b,
              const std::function<timing::Findings(const timing::Measurement&)>& findings_of);
};

// The tensors of a case, freed together. Random data is the same in every run.
class Buffers {
 public:
  explicit Buffers(Stream& stream) : stream_(stream) {}

  // F32 or BF16, uniform in [low, high).
  TensorView Uniform(DType dtype, const Shape& shape, double low = -1, double high = 1);
  // I32, uniform in [0, limit).
  TensorView Integers(const Shape& shape, int64_t limit);
  TensorView Copied(const ConstTensorView& host);
  TensorView Empty(DType dtype, const Shape& shape);

  // Of all that was filled: what a call may find in the cache from the last time.
  int64_t filled_bytes() const { return filled_bytes_; }

 private:
  template <class Element>
  TensorView Filled(DType dtype, const Shape& shape, const std::function<Element(double)>& make);

  Stream& stream_;
  std::vector<Tensor> tensors_;
  int64_t filled_bytes_ = 0;
};

// Sets of arguments whose inputs together are more than four times as large as the cache: a call
// that takes them in turn finds none of its inputs there.
template <class Args>
std::vector<Args> RotatingSets(const SpeedRun& run, Buffers& buffers,
                               const std::function<Args(Buffers&)>& make_set) {
  std::vector<Args> sets;
  const int64_t before = buffers.filled_bytes();
  do {
    sets.push_back(make_set(buffers));
  } while (buffers.filled_bytes() - before <= 4 * run.cache_bytes);
  return sets;
}

template <class Args>
timing::Contestant InTurn(std::string name, const std::vector<Args>& sets,
                          const std::function<void(const Args&)>& enqueue) {
  return {std::move(name), [&sets, enqueue](int64_t call) {
            enqueue(sets[static_cast<size_t>(call) % sets.size()]);
          }};
}

}  // namespace cadmus::gpu_speed
