// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/data/data_parallel.h"

#include <unordered_set>

#include "runtime/mesh/balanced_owners.h"

namespace cadmus {
namespace {

std::vector<Parameter*> Distinct(const std::vector<std::vector<Parameter*>>& chunks) {
  std::vector<Parameter*> distinct;
  std::unordered_set<const Parameter*> seen;
  for (const std::vector<Parameter*>& chunk : chunks) {
    for (Parameter* parameter : chunk) {
      if (seen.insert(parameter).second) distinct.push_back(parameter);
    }
  }
  return distinct;
}

// What is sharded, 0 for nothing.
int EffectiveZero(const DataParallelOptions& options, const DataParallelGroups& groups) {
  if (groups.shard.size() == 1) return 0;
  if (options.zero < 1 || options.zero > 3) {
    throw Error(Kind::kConfig,
                StrCat("parallel.zero = ", options.zero, " with dp_shard = ", groups.shard.size(),
                       "; use 1 (optimizer state), 2 (gradients too) or 3 (weights too), or "
                       "dp_replicate for ranks that share nothing out"));
  }
  return options.zero;
}

// The weights before and behind this rank's shard, which the other ranks write.
void AppendOthersShards(const ParameterShard& shard, std::vector<StateEntry>& entries) {
  Parameter* const parameter = shard.parameter;
  const int64_t elements = parameter->LocalShape().num_elements();
  const int64_t end = shard.range.offset + shard.range.extent;
  const TensorView weight_N = parameter->weight.Reshape({elements});
  for (const FlatRange& range : {FlatRange{.offset = 0, .extent = shard.range.offset},
                                 FlatRange{.offset = end, .extent = elements - end}}) {
    for (StateEntry entry :
         EntriesOf("", {.parameter = parameter, .range = range},
                   weight_N.Slice(0, range.offset, range.offset + range.extent))) {
      entry.is_writer = false;
      entries.push_back(std::move(entry));
    }
  }
}

}  // namespace

DataParallel::DataParallel(const std::vector<std::vector<Parameter*>>& chunks,
                           const Precision& precision, const DataParallelGroups& groups,
                           Stream& compute, Stream& communication,
                           const DataParallelOptions& options)
    : replicate_(groups.replicate),
      weights_are_masters_(precision.master == precision.parameters),
      weights_(
          Distinct(chunks), precision.parameters, groups.shard, compute, communication,
          EffectiveZero(options, groups) == 3 ? WeightStorage::kShard : WeightStorage::kWhole) {
  if (options.gradients == KeepGradients::kYes) {
    gradients_.emplace(chunks, precision.gradients, groups, compute, communication,
                       ShardedGradients::Options{.storage = EffectiveZero(options, groups) >= 2
                                                                ? GradientStorage::kShard
                                                                : GradientStorage::kWhole,
                                                 .bucket_bytes = options.bucket_bytes,
                                                 .overlap = options.overlap});
  }
  for (Parameter* parameter : Distinct(chunks)) {
    shards_.push_back({.parameter = parameter,
                       .range = weights_.ShardRange(*parameter),
                       .weight_N = weights_.Shard(*parameter),
                       .grad_N = gradients_ ? gradients_->Shard(*parameter) : TensorView()});
  }
}

std::vector<StateEntry> DataParallel::StateEntries() const {
  std::vector<StateEntry> entries;
  for (const ParameterShard& shard : shards_) {
    const std::vector<StateEntry> own = EntriesOf("", shard, shard.weight_N);
    entries.insert(entries.end(), own.begin(), own.end());
    if (weights_.storage() == WeightStorage::kWhole) AppendOthersShards(shard, entries);
  }
  if (!weights_are_masters_) {
    for (StateEntry& entry : entries) entry.is_writer = false;
  }
  return entries;
}

void DataParallel::ShareWriting(std::vector<StateEntry>& entries) const {
  std::vector<int64_t> bytes;
  for (const StateEntry& entry : entries) {
    if (entry.is_writer) bytes.push_back(entry.local.num_bytes());
  }
  const std::vector<int> owners = BalancedOwners(bytes, replicate_.size());
  auto owner = owners.begin();
  for (StateEntry& entry : entries) {
    if (entry.is_writer) entry.is_writer = *owner++ == replicate_.rank();
  }
}

}  // namespace cadmus
