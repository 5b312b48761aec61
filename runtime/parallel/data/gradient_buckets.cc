// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/data/gradient_buckets.h"

#include <algorithm>

#include "kernels/ops/reduce.h"

namespace cadmus {

GradientBuckets::GradientBuckets(const std::vector<Parameter*>& parameters,
                                 const Precision& precision, Communicator& ranks, Stream& compute,
                                 Stream& communication, const GradientBucketsOptions& options)
    : ranks_(ranks), compute_(compute), communication_(communication), overlap_(options.overlap) {
  const int64_t element_bytes = SizeOf(precision.gradients);
  const int64_t aligned_elements = Allocator::kAlignment / element_bytes;
  auto padded = [&](const Parameter& parameter) {
    return (parameter.shape.num_elements() + aligned_elements - 1) / aligned_elements *
           aligned_elements;
  };

  int64_t bucket_elements = 0;
  int64_t largest_parameter = 0;
  std::vector<int64_t> sizes;
  for (size_t i = parameters.size(); i-- > 0;) {
    const int64_t elements = padded(*parameters[i]);
    largest_parameter = std::max(largest_parameter, parameters[i]->shape.num_elements());
    if (buckets_.empty() || (bucket_elements + elements) * element_bytes > options.bucket_bytes) {
      buckets_.emplace_back();
      sizes.push_back(0);
      bucket_elements = 0;
    }
    buckets_.back().parameters.push_back(parameters[i]);
    bucket_elements += elements;
    sizes.back() = bucket_elements;
  }

  for (size_t i = 0; i < buckets_.size(); ++i) {
    Bucket& bucket = buckets_[i];
    bucket.memory =
        ranks.Allocate(precision.gradients, {sizes[i]}, MemoryCategory::kGradients, compute);
    bucket.memory.RecordUse(communication);
    compute.device().FillZero(bucket.memory, compute);  // the padding is summed too
    bucket.site = StrCat("gradients of ", bucket.parameters.front()->name, " … ",
                         bucket.parameters.back()->name);
    bucket.final_gradients = compute.device().NewEvent();
    bucket.reduced = compute.device().NewEvent();
    int64_t begin = 0;
    for (Parameter* parameter : bucket.parameters) {
      const int64_t elements = parameter->shape.num_elements();
      parameter->grad =
          bucket.memory.view().Slice(0, begin, begin + elements).Reshape(parameter->shape);
      progress_[parameter] = {.bucket = &bucket};
      begin += padded(*parameter);
    }
  }
  norm_workspace_ = Tensor(DType::kU8, {ReduceWorkspaceBytes(largest_parameter)},
                           MemoryCategory::kWorkspace, compute);
}

void GradientBuckets::BeginStep(int num_micro_batches) {
  num_micro_batches_ = num_micro_batches;
  for (auto& [parameter, progress] : progress_) progress.contributions = 0;
  for (Bucket& bucket : buckets_) {
    bucket.num_final = 0;
    bucket.issued = false;
  }
}

GradMode GradientBuckets::Begin(Parameter& parameter) {
  return progress_.at(&parameter).contributions == 0 ? GradMode::kOverwrite : GradMode::kAccumulate;
}

void GradientBuckets::End(Parameter& parameter) {
  Progress& progress = progress_.at(&parameter);
  ++progress.contributions;
  const int expected = parameter.num_uses * num_micro_batches_;
  CADMUS_CHECK(progress.contributions <= expected,
               StrCat(parameter.name, ": contribution ", progress.contributions, " of ", expected));
  if (progress.contributions < expected) return;
  Bucket& bucket = *progress.bucket;
  if (++bucket.num_final == bucket.parameters.size() && overlap_ == Overlap::kOn)
    StartReduction(bucket);
}

void GradientBuckets::StartReduction(Bucket& bucket) {
  bucket.issued = true;
  if (ranks_.size() == 1) return;
  compute_.Record(*bucket.final_gradients);
  communication_.Wait(*bucket.final_gradients);
  ranks_.AllReduce({.buffer = bucket.memory, .site = bucket.site.c_str()}, communication_);
  communication_.Record(*bucket.reduced);
}

void GradientBuckets::FinishReduction() {
  for (Bucket& bucket : buckets_) {
    CADMUS_CHECK(bucket.num_final == bucket.parameters.size(),
                 StrCat(bucket.site, ": ", bucket.num_final, " of ", bucket.parameters.size(),
                        " are final"));
    if (!bucket.issued) StartReduction(bucket);
  }
}

void GradientBuckets::SquaredNorm(const TensorView& out) {
  GradMode mode = GradMode::kOverwrite;
  for (Bucket& bucket : buckets_) {
    if (ranks_.size() > 1) compute_.Wait(*bucket.reduced);
    for (const Parameter* parameter : bucket.parameters) {
      cadmus::SquaredNorm({.x_N = parameter->grad.Reshape({parameter->shape.num_elements()}),
                           .out = out,
                           .mode = mode,
                           .workspace = norm_workspace_},
                          compute_);
      mode = GradMode::kAccumulate;
    }
  }
}

}  // namespace cadmus
