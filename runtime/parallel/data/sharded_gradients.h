// SPDX-License-Identifier: Apache-2.0
// ShardedGradients: memory of a rank's gradients, and their sums over all ranks that contribute to
// them, beside the backward pass.
//
// Gradients lie in buckets in the order in which backward finishes them; a bucket's sum starts as
// soon as its last gradient is final. Held whole (zero 1), a gradient is accumulated over the
// micro-batches and summed once: reduce-scatter over dp_shard, all-reduce of the shard over
// dp_replicate. Held as a shard (zero 2, 3), each micro-batch has a whole gradient of its own for
// as long as it takes to reduce-scatter it and to add this rank's shard; the bucket is all-reduced
// over dp_replicate at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "kernels/device/tensor.h"
#include "runtime/mesh/flat_split.h"
#include "runtime/nn/parameter.h"
#include "runtime/parallel/data/data_parallel_options.h"

namespace cadmus {

enum class GradientStorage { kWhole, kShard };

class ShardedGradients {
 public:
  struct Options {
    GradientStorage storage = GradientStorage::kWhole;
    int64_t bucket_bytes = 0;
    Overlap overlap = Overlap::kOn;
  };

  // `chunks` as in DataParallel. All references must outlive the object.
  ShardedGradients(const std::vector<std::vector<Parameter*>>& chunks, DType dtype,
                   const DataParallelGroups& groups, Stream& compute, Stream& communication,
                   const Options& options);
  ShardedGradients(const ShardedGradients&) = delete;
  ShardedGradients& operator=(const ShardedGradients&) = delete;

  // See DataParallel.
  void BeginStep(int num_micro_batches);
  GradientSink& sink(int chunk) { return *chunks_.at(static_cast<size_t>(chunk)); }
  void Reduce(int chunk);
  void TieReduce();
  void SquaredNorms(const TensorView& norms_P);

  // This rank's shard of the sum over all micro-batches and ranks, without padding.
  TensorView Shard(const Parameter& parameter) const;
  int num_buckets() const { return static_cast<int>(buckets_.size()); }

 private:
  struct Bucket;

  // Of one parameter in one chunk. Views of split tensors have the padding of FlatSplit.
  struct Gradient {
    Parameter* parameter = nullptr;
    FlatSplit split;
    std::string site;  // "gradient of blocks.3.mlp.down.weight"
    Bucket* bucket = nullptr;
    TensorView whole = {};       // absent where only the shard is kept
    TensorView shard = {};       // where the sum ends up
    Tensor of_micro_batch = {};  // whole; the micro-batch under way, where only the shard is kept
    int num_contributions = 0;
    std::unique_ptr<Event> micro_batch_ready = nullptr;    // on the compute stream
    std::unique_ptr<Event> micro_batch_reduced = nullptr;  // on the communication stream
    bool is_tied = false;                                  // its sum goes on in TieReduce
    // Of the first chunk that has the parameter; the others have none of it.
    std::vector<Gradient*> of_later_chunks = {};
    std::vector<FlatRange> counted = {};  // elements of the shard
  };
  struct Bucket {
    Tensor memory;
    std::string site;  // "gradients of blocks.3.mlp.down.weight … blocks.3.attention_norm.weight"
    std::vector<Gradient*> gradients;
    bool communicates = false;
    size_t num_final = 0;
    bool issued = false;
    std::unique_ptr<Event> final_gradients;  // on the compute stream
    std::unique_ptr<Event> reduced;          // on the communication stream
  };
  // The sink of one chunk.
  struct Chunk final : GradientSink {
    explicit Chunk(ShardedGradients& all) : owner(all) {}
    GradMode Begin(Parameter& parameter) override { return owner.Begin(Of(parameter)); }
    void End(Parameter& parameter) override { owner.End(Of(parameter)); }
    Gradient& Of(const Parameter& parameter) { return *gradients.at(&parameter); }

    ShardedGradients& owner;
    std::unordered_map<const Parameter*, Gradient*> gradients;
    std::vector<Bucket*> buckets;
  };

  void AddChunk(const std::vector<Parameter*>& parameters);
  void FillBucket(Bucket& bucket);
  void AddOfFirstChunk(Gradient& gradient);
  void FindTied();
  int64_t KeptElements(const FlatSplit& split) const;
  bool Communicates(const Gradient& gradient) const;
  int NumExpected(const Gradient& gradient) const;

  GradMode Begin(Gradient& gradient);
  void End(Gradient& gradient);
  void NewMicroBatch(Gradient& gradient);
  void ReduceMicroBatch(Gradient& gradient);
  void StartReduction(Bucket& bucket);
  void SumPartialRows(const Gradient& gradient, const TensorView& local);
  void SumShards(const Gradient& gradient);
  void SumReplicas(const Bucket& bucket);
  void AddLaterChunks(const Gradient& gradient);
  void SumHolders(const Gradient& gradient);
  void CountNorm(const Gradient& gradient, const TensorView& norms_P);

  DataParallelGroups groups_;
  Stream& compute_;
  Stream& communication_;
  DType dtype_;
  Options options_;
  std::vector<std::unique_ptr<Gradient>> gradients_;
  std::vector<std::unique_ptr<Bucket>> buckets_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::unordered_map<const Parameter*, Gradient*> of_first_chunk_;
  std::vector<Gradient*> tied_;  // of their first chunk
  bool tied_await_compute_ = false;
  std::unique_ptr<Event> tied_ready_;    // on the compute stream
  std::unique_ptr<Event> tied_reduced_;  // on the communication stream
  Tensor shard_of_micro_batch_;          // used on the communication stream only
  Tensor norm_workspace_;
  int num_micro_batches_ = 0;
};

}  // namespace cadmus
