// SPDX-License-Identifier: Apache-2.0
// TensorRank: one tensor-parallel rank of a test, with its device, and f64 tensors from and to the
// host.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "collectives/local/local_world.h"
#include "kernels/device/tensor.h"
#include "kernels/open_device.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

class TensorRank {
 public:
  TensorRank(Bootstrap& bootstrap, const TensorParallelOptions& options)
      : device_(OpenDevice({.memory_bytes = int64_t{32} << 20, .pool = MakeThreadPool(1)})),
        stream_(device_->NewStream(StreamKind::kCompute, "compute")),
        ranks_(bootstrap.Connect(*device_, {.workspace_bytes = 1 << 12})),
        parallel_(*ranks_, nullptr, options) {}

  Device& device() { return *device_; }
  Stream& stream() { return *stream_; }
  const TensorParallel& parallel() const { return parallel_; }

  Tensor Upload(const std::vector<double>& values, const Shape& shape) {
    Tensor tensor(DType::kF64, shape, MemoryCategory::kWorkspace, *stream_);
    device_->CopyToDevice(tensor, ConstTensorView(values.data(), DType::kF64, shape), *stream_);
    stream_->Synchronize(device_->wait_limit());
    return tensor;
  }
  std::vector<double> Download(const ConstTensorView& view) {
    std::vector<double> values(static_cast<size_t>(view.num_elements()));
    device_->CopyToHost(TensorView(values.data(), DType::kF64, view.shape()), view, *stream_);
    stream_->Synchronize(device_->wait_limit());
    return values;
  }

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Communicator> ranks_;
  TensorParallel parallel_;
};

inline void OnTensorRanks(int num_ranks, const TensorParallelOptions& options,
                          const std::function<void(TensorRank&)>& body) {
  RunLocalRanks(num_ranks, [&](Bootstrap& bootstrap) {
    TensorRank rank(bootstrap, options);
    body(rank);
  });
}

}  // namespace cadmus
