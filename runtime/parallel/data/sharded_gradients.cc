// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/data/sharded_gradients.h"

#include <algorithm>

#include "kernels/ops/dropout.h"
#include "kernels/ops/reduce.h"
#include "runtime/nn/local_boxes.h"

namespace cadmus {
namespace {

TensorView WithoutPadding(const Parameter& parameter, const TensorView& padded) {
  const Shape& shape = parameter.LocalShape();
  return padded.Slice(0, 0, shape.num_elements()).Reshape(shape);
}

bool HoldersCommunicate(const Parameter& parameter) {
  return parameter.holders != nullptr && parameter.holders->size() > 1;
}

// sum += x: what Dropout is at probability 0.
void AddTo(const TensorView& sum, const TensorView& x, Stream& stream) {
  const Shape row = {1, sum.num_elements()};
  Dropout({.x_TD = x.Reshape(row), .residual_TD = sum.Reshape(row), .y_TD = sum.Reshape(row)},
          stream);
}

}  // namespace

ShardedGradients::ShardedGradients(const std::vector<std::vector<Parameter*>>& chunks, DType dtype,
                                   const DataParallelGroups& groups, Stream& compute,
                                   Stream& communication, const Options& options)
    : groups_(groups),
      compute_(compute),
      communication_(communication),
      dtype_(dtype),
      options_(options),
      tied_ready_(compute.device().NewEvent()),
      tied_reduced_(compute.device().NewEvent()) {
  for (const std::vector<Parameter*>& parameters : chunks) AddChunk(parameters);
  for (const auto& bucket : buckets_) FillBucket(*bucket);
  int64_t largest_range = 0;
  int64_t largest_shard = 0;
  for (const auto& gradient : gradients_) {
    AddOfFirstChunk(*gradient);
    largest_shard = std::max(largest_shard, gradient->split.shard_elements());
    for (const FlatRange& range : gradient->counted)
      largest_range = std::max(largest_range, range.extent);
  }
  FindTied();
  if (options_.storage == GradientStorage::kShard) {
    shard_of_micro_batch_ = groups_.shard.Allocate(dtype, {largest_shard},
                                                   MemoryCategory::kCommunication, communication);
  }
  norm_workspace_ = Tensor(DType::kU8, {ReduceWorkspaceBytes(largest_range)},
                           MemoryCategory::kWorkspace, compute);
}

// Fills buckets from the last parameter to the first.
void ShardedGradients::AddChunk(const std::vector<Parameter*>& parameters) {
  chunks_.push_back(std::make_unique<Chunk>(*this));
  Chunk& chunk = *chunks_.back();
  int64_t bucket_elements = 0;
  for (size_t i = parameters.size(); i-- > 0;) {
    Parameter& parameter = *parameters[i];
    gradients_.push_back(std::make_unique<Gradient>(
        Gradient{.parameter = &parameter,
                 .split = FlatSplit(parameter.LocalShape().num_elements(), groups_.shard.size()),
                 .site = StrCat("gradient of ", parameter.name)}));
    Gradient& gradient = *gradients_.back();
    CADMUS_CHECK(chunk.gradients.emplace(&parameter, &gradient).second,
                 StrCat(parameter.name, " is twice in one chunk"));
    const int64_t elements = KeptElements(gradient.split);
    if (chunk.buckets.empty() ||
        (bucket_elements + elements) * SizeOf(dtype_) > options_.bucket_bytes) {
      buckets_.push_back(std::make_unique<Bucket>());
      chunk.buckets.push_back(buckets_.back().get());
      bucket_elements = 0;
    }
    bucket_elements += elements;
    gradient.bucket = buckets_.back().get();
    gradient.bucket->gradients.push_back(&gradient);
  }
}

// What a gradient takes of its bucket, so that the next one begins aligned.
int64_t ShardedGradients::KeptElements(const FlatSplit& split) const {
  const bool whole = options_.storage == GradientStorage::kWhole;
  const int64_t elements = split.shard_elements() * (whole ? groups_.shard.size() : 1);
  const int64_t aligned = Allocator::kAlignment / SizeOf(dtype_);
  return (elements + aligned - 1) / aligned * aligned;
}

bool ShardedGradients::Communicates(const Gradient& gradient) const {
  const std::vector<PartialRows>& rows = gradient.parameter->partial_rows;
  return groups_.shard.size() > 1 || groups_.replicate.size() > 1 ||
         std::any_of(rows.begin(), rows.end(),
                     [](const PartialRows& part) { return part.ranks->size() > 1; });
}

void ShardedGradients::FillBucket(Bucket& bucket) {
  Device& device = compute_.device();
  int64_t elements = 0;
  for (const Gradient* gradient : bucket.gradients) elements += KeptElements(gradient->split);
  bucket.memory =
      groups_.replicate.Allocate(dtype_, {elements}, MemoryCategory::kGradients, compute_);
  bucket.memory.RecordUse(communication_);
  device.FillZero(bucket.memory, compute_);  // the padding is summed too
  bucket.site = StrCat("gradients of ", bucket.gradients.front()->parameter->name, " … ",
                       bucket.gradients.back()->parameter->name);
  bucket.final_gradients = device.NewEvent();
  bucket.reduced = device.NewEvent();
  int64_t begin = 0;
  for (Gradient* gradient : bucket.gradients) {
    const int64_t shard_elements = gradient->split.shard_elements();
    const TensorView kept = bucket.memory.view().Slice(0, begin, bucket.memory.view().dim(0));
    if (options_.storage == GradientStorage::kWhole) {
      gradient->whole = kept.Slice(0, 0, groups_.shard.size() * shard_elements);
      const int64_t shard_begin = groups_.shard.rank() * shard_elements;
      gradient->shard = gradient->whole.Slice(0, shard_begin, shard_begin + shard_elements);
      gradient->parameter->grad = WithoutPadding(*gradient->parameter, gradient->whole);
    } else {
      gradient->shard = kept.Slice(0, 0, shard_elements);
      gradient->micro_batch_ready = device.NewEvent();
      gradient->micro_batch_reduced = device.NewEvent();
    }
    bucket.communicates = bucket.communicates || Communicates(*gradient);
    begin += KeptElements(gradient->split);
  }
}

void ShardedGradients::AddOfFirstChunk(Gradient& gradient) {
  const auto [first, is_first] = of_first_chunk_.emplace(gradient.parameter, &gradient);
  if (!is_first) {
    first->second->of_later_chunks.push_back(&gradient);
    return;
  }
  const FlatRange range = gradient.split.Range(groups_.shard.rank());
  gradient.counted = CountedRanges(*gradient.parameter, range);
  for (FlatRange& counted : gradient.counted) counted.offset -= range.offset;
}

void ShardedGradients::FindTied() {
  for (const auto& gradient : gradients_) {
    Gradient* const first = of_first_chunk_.at(gradient->parameter);
    gradient->is_tied = !first->of_later_chunks.empty() || HoldersCommunicate(*gradient->parameter);
    if (gradient->is_tied && first == gradient.get()) tied_.push_back(first);
    // Buckets that communicate have made the communication stream wait already.
    tied_await_compute_ =
        tied_await_compute_ || (gradient->is_tied && !gradient->bucket->communicates);
  }
}

TensorView ShardedGradients::Shard(const Parameter& parameter) const {
  const Gradient& gradient = *of_first_chunk_.at(&parameter);
  return gradient.shard.Slice(0, 0, gradient.split.Range(groups_.shard.rank()).extent);
}

void ShardedGradients::BeginStep(int num_micro_batches) {
  num_micro_batches_ = num_micro_batches;
  for (const auto& gradient : gradients_) gradient->num_contributions = 0;
  for (const auto& bucket : buckets_) {
    bucket->num_final = 0;
    bucket->issued = false;
  }
}

int ShardedGradients::NumExpected(const Gradient& gradient) const {
  return gradient.parameter->num_uses * num_micro_batches_;
}

GradMode ShardedGradients::Begin(Gradient& gradient) {
  Parameter& parameter = *gradient.parameter;
  CADMUS_CHECK(gradient.num_contributions < NumExpected(gradient),
               StrCat(parameter.name, ": contribution ", gradient.num_contributions + 1, " of ",
                      NumExpected(gradient)));
  if (options_.storage == GradientStorage::kWhole) {
    parameter.grad = WithoutPadding(parameter, gradient.whole);
    return gradient.num_contributions == 0 ? GradMode::kOverwrite : GradMode::kAccumulate;
  }
  const bool is_first_use = gradient.num_contributions % parameter.num_uses == 0;
  if (is_first_use) NewMicroBatch(gradient);
  parameter.grad = WithoutPadding(parameter, gradient.of_micro_batch);
  return is_first_use ? GradMode::kOverwrite : GradMode::kAccumulate;
}

void ShardedGradients::End(Gradient& gradient) {
  ++gradient.num_contributions;
  const bool keeps_shard = options_.storage == GradientStorage::kShard;
  if (keeps_shard && gradient.num_contributions % gradient.parameter->num_uses == 0)
    ReduceMicroBatch(gradient);
  if (gradient.num_contributions < NumExpected(gradient)) return;
  Bucket& bucket = *gradient.bucket;
  if (++bucket.num_final == bucket.gradients.size() && options_.overlap == Overlap::kOn)
    StartReduction(bucket);
}

void ShardedGradients::NewMicroBatch(Gradient& gradient) {
  const int64_t padded = groups_.shard.size() * gradient.split.shard_elements();
  gradient.of_micro_batch =
      groups_.shard.Allocate(dtype_, {padded}, MemoryCategory::kGradients, compute_);
  gradient.of_micro_batch.RecordUse(communication_);
  const int64_t padding = gradient.split.padding();
  if (padding > 0) {
    compute_.device().FillZero(gradient.of_micro_batch.view().Slice(0, padded - padding, padded),
                               compute_);
  }
}

// Micro-batches arrive in ascending order: the shard is ((m0 + m1) + m2) + …, each summed over
// ranks.
void ShardedGradients::ReduceMicroBatch(Gradient& gradient) {
  compute_.Record(*gradient.micro_batch_ready);
  communication_.Wait(*gradient.micro_batch_ready);
  SumPartialRows(gradient, gradient.parameter->grad);
  const bool is_first = gradient.num_contributions == gradient.parameter->num_uses;
  const TensorView sum =
      is_first ? gradient.shard
               : shard_of_micro_batch_.view().Slice(0, 0, gradient.split.shard_elements());
  groups_.shard.ReduceScatter(
      {.input = gradient.of_micro_batch, .output = sum, .site = gradient.site.c_str()},
      communication_);
  if (!is_first) AddTo(gradient.shard, sum, communication_);
  if (options_.overlap == Overlap::kOff) {
    communication_.Record(*gradient.micro_batch_reduced);
    compute_.Wait(*gradient.micro_batch_reduced);
  }
  gradient.parameter->grad = TensorView();
  gradient.of_micro_batch.Reset();
}

void ShardedGradients::Reduce(int chunk) {
  for (Bucket* bucket : chunks_.at(static_cast<size_t>(chunk))->buckets) {
    for (const Gradient* gradient : bucket->gradients) {
      CADMUS_CHECK(gradient->num_contributions == NumExpected(*gradient),
                   StrCat(gradient->parameter->name, ": ", gradient->num_contributions, " of ",
                          NumExpected(*gradient), " contributions of chunk ", chunk));
    }
    if (!bucket->issued) StartReduction(*bucket);
  }
}

void ShardedGradients::StartReduction(Bucket& bucket) {
  bucket.issued = true;
  if (!bucket.communicates) return;
  if (options_.storage == GradientStorage::kWhole) {
    compute_.Record(*bucket.final_gradients);
    communication_.Wait(*bucket.final_gradients);
    for (const Gradient* gradient : bucket.gradients)
      SumPartialRows(*gradient, WithoutPadding(*gradient->parameter, gradient->whole));
    for (const Gradient* gradient : bucket.gradients) SumShards(*gradient);
  }
  SumReplicas(bucket);
  communication_.Record(*bucket.reduced);
}

void ShardedGradients::SumPartialRows(const Gradient& gradient, const TensorView& local) {
  for (const PartialRows& rows : gradient.parameter->partial_rows) {
    if (rows.ranks->size() == 1 || rows.begin == rows.end) continue;
    rows.ranks->AllReduce(
        {.buffer = local.Slice(0, rows.begin, rows.end), .site = gradient.site.c_str()},
        communication_);
  }
}

void ShardedGradients::SumShards(const Gradient& gradient) {
  if (groups_.shard.size() == 1) return;
  groups_.shard.ReduceScatter(
      {.input = gradient.whole, .output = gradient.shard, .site = gradient.site.c_str()},
      communication_);
}

void ShardedGradients::SumReplicas(const Bucket& bucket) {
  if (groups_.replicate.size() == 1) return;
  const bool holds_more_than_shards =
      options_.storage == GradientStorage::kWhole && groups_.shard.size() > 1;
  if (!holds_more_than_shards) {
    groups_.replicate.AllReduce({.buffer = bucket.memory, .site = bucket.site.c_str()},
                                communication_);
    return;
  }
  for (const Gradient* gradient : bucket.gradients) {
    groups_.replicate.AllReduce({.buffer = gradient->shard, .site = gradient->site.c_str()},
                                communication_);
  }
}

void ShardedGradients::TieReduce() {
  if (tied_.empty()) return;
  if (tied_await_compute_) {
    compute_.Record(*tied_ready_);
    communication_.Wait(*tied_ready_);
  }
  for (const Gradient* gradient : tied_) AddLaterChunks(*gradient);
  for (const Gradient* gradient : tied_) SumHolders(*gradient);
  communication_.Record(*tied_reduced_);
}

void ShardedGradients::AddLaterChunks(const Gradient& gradient) {
  for (const Gradient* later : gradient.of_later_chunks)
    AddTo(gradient.shard, later->shard, communication_);
}

void ShardedGradients::SumHolders(const Gradient& gradient) {
  if (!HoldersCommunicate(*gradient.parameter)) return;
  gradient.parameter->holders->AllReduce({.buffer = gradient.shard, .site = gradient.site.c_str()},
                                         communication_);
}

void ShardedGradients::SquaredNorms(const TensorView& norms_P) {
  compute_.device().FillZero(norms_P, compute_);
  for (const auto& bucket : buckets_) {
    bool is_awaited = !bucket->communicates;
    for (const Gradient* gradient : bucket->gradients) {
      if (gradient->is_tied) continue;
      if (!is_awaited) compute_.Wait(*bucket->reduced);
      is_awaited = true;
      CountNorm(*gradient, norms_P);
    }
  }
  if (tied_.empty()) return;
  compute_.Wait(*tied_reduced_);
  for (const Gradient* gradient : tied_) CountNorm(*gradient, norms_P);
}

void ShardedGradients::CountNorm(const Gradient& gradient, const TensorView& norms_P) {
  const int slot = gradient.parameter->norm_slot;
  GradMode mode = GradMode::kOverwrite;
  for (const FlatRange& range : gradient.counted) {
    SquaredNorm({.x_N = gradient.shard.Slice(0, range.offset, range.offset + range.extent),
                 .out = norms_P.Slice(0, slot, slot + 1),
                 .mode = mode,
                 .workspace = norm_workspace_},
                compute_);
    mode = GradMode::kAccumulate;
  }
}

}  // namespace cadmus
