// SPDX-License-Identifier: Apache-2.0
// ShardedWeights: memory of a rank's weights, whole or only this rank's shards, and the gathers
// that make them whole for others or for a while.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/device/tensor.h"
#include "runtime/mesh/flat_split.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

enum class WeightStorage {
  kWhole,  // every rank holds all local weights; of the updated ones it must gather the others'
  kShard,  // weights are whole only between Fetch and Release
};

class ShardedWeights {
 public:
  // Takes the memory and, with kWhole, gives the parameters their views. Names must be unique
  // (kInternal). The parameters, `ranks` and the streams must outlive the object.
  ShardedWeights(const std::vector<Parameter*>& parameters, DType dtype, Communicator& ranks,
                 Stream& compute, Stream& communication, WeightStorage storage);
  ShardedWeights(const ShardedWeights&) = delete;
  ShardedWeights& operator=(const ShardedWeights&) = delete;

  // Writes the first values of all that this rank holds. Blocks.
  void Initialize(uint64_t seed);

  // See DataParallel.
  void Fetch(std::span<Parameter* const> parameters);
  void Await(std::span<Parameter* const> parameters);
  void Release(std::span<Parameter* const> parameters);
  void Gather();

  // The elements of the local tensor that this rank updates, and where they are.
  FlatRange ShardRange(const Parameter& parameter) const;
  TensorView Shard(const Parameter& parameter) const;
  WeightStorage storage() const { return storage_; }

 private:
  struct Weight {
    Parameter* parameter = nullptr;
    FlatSplit split;
    std::string site;  // "weights of blocks.3.mlp.down.weight"
    Tensor memory;     // with the padding of FlatSplit: all shards, or this rank's
    // With kShard, while it is fetched:
    Tensor gathered = {};  // all shards
    int num_fetches = 0;
    int64_t gather = 0;                        // the count of gathers when this one was issued
    std::unique_ptr<Event> arrived = nullptr;  // on the communication stream
  };

  Weight& Find(const Parameter& parameter);
  const Weight& Find(const Parameter& parameter) const;
  FlatRange HeldRange(const Weight& weight) const;
  TensorView Whole(const Weight& weight, const TensorView& padded) const;

  void StartFetch(Weight& weight);
  void AwaitFetch(const Weight& weight);
  void EndFetch(Weight& weight);
  void GatherUpdated(Weight& weight);
  void LetCommunicationSeeUpdates();

  Communicator& ranks_;
  Stream& compute_;
  Stream& communication_;
  WeightStorage storage_;
  DType dtype_;
  std::vector<Weight> weights_;
  std::unordered_map<const Parameter*, size_t> index_;
  int64_t num_gathers_ = 0;
  int64_t num_awaited_ = 0;  // gathers arrive in the order of issue: the compute stream has these
  std::unique_ptr<Event> updated_;   // on the compute stream
  std::unique_ptr<Event> gathered_;  // on the communication stream
};

}  // namespace cadmus
