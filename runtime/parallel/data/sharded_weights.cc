// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/data/sharded_weights.h"

#include <set>

#include "runtime/nn/initial_values.h"

namespace cadmus {

ShardedWeights::ShardedWeights(const std::vector<Parameter*>& parameters, DType dtype,
                               Communicator& ranks, Stream& compute, Stream& communication,
                               WeightStorage storage)
    : ranks_(ranks),
      compute_(compute),
      communication_(communication),
      storage_(storage),
      dtype_(dtype),
      updated_(compute.device().NewEvent()),
      gathered_(compute.device().NewEvent()) {
  std::set<std::string> names;
  weights_.reserve(parameters.size());
  for (Parameter* parameter : parameters) {
    CADMUS_CHECK(names.insert(parameter->name).second,
                 StrCat("two parameters are named ", parameter->name));
    index_[parameter] = weights_.size();
    const FlatSplit split(parameter->LocalShape().num_elements(), ranks.size());
    const int64_t num_shards = storage == WeightStorage::kWhole ? ranks.size() : 1;
    Weight& weight = weights_.emplace_back(
        Weight{.parameter = parameter,
               .split = split,
               .site = StrCat("weights of ", parameter->name),
               .memory = ranks.Allocate(dtype, {num_shards * split.shard_elements()},
                                        MemoryCategory::kWeights, compute),
               .arrived = compute.device().NewEvent()});
    if (ranks.size() > 1) weight.memory.RecordUse(communication);
    if (storage == WeightStorage::kWhole) parameter->weight = Whole(weight, weight.memory);
  }
}

void ShardedWeights::Initialize(uint64_t seed) {
  for (const Weight& weight : weights_) {
    const FlatRange held = HeldRange(weight);
    compute_.device().FillZero(weight.memory, compute_);  // the padding of FlatSplit
    WriteInitialValues(*weight.parameter, seed, held, weight.memory.view().Slice(0, 0, held.extent),
                       compute_);
  }
  LetCommunicationSeeUpdates();
}

void ShardedWeights::Fetch(std::span<Parameter* const> parameters) {
  if (storage_ == WeightStorage::kWhole) return;
  for (const Parameter* parameter : parameters) {
    Weight& weight = Find(*parameter);
    if (weight.num_fetches++ == 0) StartFetch(weight);
  }
}

void ShardedWeights::Await(std::span<Parameter* const> parameters) {
  if (storage_ == WeightStorage::kWhole) return;
  const Weight* latest = nullptr;
  for (const Parameter* parameter : parameters) {
    const Weight& weight = Find(*parameter);
    CADMUS_CHECK(weight.num_fetches > 0, StrCat(weight.site, " are used but were not fetched"));
    if (latest == nullptr || weight.gather > latest->gather) latest = &weight;
  }
  if (latest != nullptr) AwaitFetch(*latest);
}

void ShardedWeights::Release(std::span<Parameter* const> parameters) {
  if (storage_ == WeightStorage::kWhole) return;
  for (const Parameter* parameter : parameters) {
    Weight& weight = Find(*parameter);
    CADMUS_CHECK(weight.num_fetches > 0, StrCat(weight.site, " are released but were not fetched"));
    if (--weight.num_fetches == 0) EndFetch(weight);
  }
}

void ShardedWeights::StartFetch(Weight& weight) {
  // The communication stream's memory: it is the first to write there.
  weight.gathered = ranks_.Allocate(dtype_, {ranks_.size() * weight.split.shard_elements()},
                                    MemoryCategory::kWeights, communication_);
  weight.gathered.RecordUse(compute_);
  ranks_.AllGather({.input = weight.memory, .output = weight.gathered, .site = weight.site.c_str()},
                   communication_);
  communication_.Record(*weight.arrived);
  weight.gather = ++num_gathers_;
  weight.parameter->weight = Whole(weight, weight.gathered);
}

void ShardedWeights::AwaitFetch(const Weight& weight) {
  if (weight.gather <= num_awaited_) return;
  compute_.Wait(*weight.arrived);
  num_awaited_ = weight.gather;
}

// Awaited even if no pass used it: the optimizer will write what the gather reads.
void ShardedWeights::EndFetch(Weight& weight) {
  AwaitFetch(weight);
  weight.parameter->weight = TensorView();
  weight.gathered.Reset();
}

void ShardedWeights::Gather() {
  if (ranks_.size() == 1) return;
  for (const Weight& weight : weights_) {
    CADMUS_CHECK(weight.num_fetches == 0,
                 StrCat(weight.site, " were updated while fetched; release them before"));
  }
  LetCommunicationSeeUpdates();
  if (storage_ == WeightStorage::kShard) return;
  for (Weight& weight : weights_) GatherUpdated(weight);
  communication_.Record(*gathered_);
  compute_.Wait(*gathered_);
}

void ShardedWeights::GatherUpdated(Weight& weight) {
  const int64_t elements = weight.split.shard_elements();
  const int64_t begin = ranks_.rank() * elements;
  ranks_.AllGather({.input = weight.memory.view().Slice(0, begin, begin + elements),
                    .output = weight.memory,
                    .site = weight.site.c_str()},
                   communication_);
}

void ShardedWeights::LetCommunicationSeeUpdates() {
  compute_.Record(*updated_);
  communication_.Wait(*updated_);
}

FlatRange ShardedWeights::ShardRange(const Parameter& parameter) const {
  return Find(parameter).split.Range(ranks_.rank());
}

TensorView ShardedWeights::Shard(const Parameter& parameter) const {
  const Weight& weight = Find(parameter);
  const FlatRange range = weight.split.Range(ranks_.rank());
  const int64_t begin = storage_ == WeightStorage::kWhole ? range.offset : 0;
  return weight.memory.view().Slice(0, begin, begin + range.extent);
}

FlatRange ShardedWeights::HeldRange(const Weight& weight) const {
  if (storage_ == WeightStorage::kShard) return weight.split.Range(ranks_.rank());
  return {.offset = 0, .extent = weight.parameter->LocalShape().num_elements()};
}

TensorView ShardedWeights::Whole(const Weight& weight, const TensorView& padded) const {
  const Shape& shape = weight.parameter->LocalShape();
  return padded.Slice(0, 0, shape.num_elements()).Reshape(shape);
}

ShardedWeights::Weight& ShardedWeights::Find(const Parameter& parameter) {
  return weights_[index_.at(&parameter)];
}

const ShardedWeights::Weight& ShardedWeights::Find(const Parameter& parameter) const {
  return weights_[index_.at(&parameter)];
}

}  // namespace cadmus
