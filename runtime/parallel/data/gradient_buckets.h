// SPDX-License-Identifier: Apache-2.0
// GradientBuckets: memory of a stage's gradients, and their sum over the data-parallel ranks.
// Gradients lie in buckets in the order in which backward finishes them; a bucket's all-reduce
// starts as soon as its last gradient is final and runs beside the rest of the backward pass.
// Neither bucket size nor overlap changes a bit: the sum of each element is taken in rank order,
// and norms are taken per parameter in a fixed order.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/device/tensor.h"
#include "runtime/nn/parameter.h"
#include "runtime/nn/precision.h"

namespace cadmus {

enum class Overlap { kOff, kOn };

struct GradientBucketsOptions {
  int64_t bucket_bytes = int64_t{4} << 20;  // a larger parameter gets a bucket of its own
  Overlap overlap = Overlap::kOn;
};

class GradientBuckets final : public GradientSink {
 public:
  // `parameters` in the order of the forward pass. All references must outlive the buckets.
  GradientBuckets(const std::vector<Parameter*>& parameters, const Precision& precision,
                  Communicator& ranks, Stream& compute, Stream& communication,
                  const GradientBucketsOptions& options);

  // Every parameter will receive num_uses contributions per micro-batch.
  void BeginStep(int num_micro_batches);
  GradMode Begin(Parameter& parameter) override;
  void End(Parameter& parameter) override;
  // All contributions are issued: starts the reductions that have not started. Throws kInternal if
  // a gradient is missing.
  void FinishReduction();

  // out = Σ over all parameters of ‖gradient‖², F64[1]; each bucket is awaited just before it is
  // read.
  void SquaredNorm(const TensorView& out);

  int num_buckets() const { return static_cast<int>(buckets_.size()); }

 private:
  struct Bucket {
    Tensor memory;
    std::string site;  // "gradients of blocks.3.mlp.down.weight … blocks.3.attention_norm.weight"
    std::vector<Parameter*> parameters;
    size_t num_final = 0;
    bool issued = false;
    std::unique_ptr<Event> final_gradients;  // on the compute stream
    std::unique_ptr<Event> reduced;          // on the communication stream
  };
  struct Progress {
    Bucket* bucket = nullptr;
    int contributions = 0;
  };

  void StartReduction(Bucket& bucket);

  Communicator& ranks_;
  Stream& compute_;
  Stream& communication_;
  Overlap overlap_;
  std::vector<Bucket> buckets_;
  std::unordered_map<const Parameter*, Progress> progress_;
  Tensor norm_workspace_;
  int num_micro_batches_ = 0;
};

}  // namespace cadmus
