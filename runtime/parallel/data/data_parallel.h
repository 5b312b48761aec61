// SPDX-License-Identifier: Apache-2.0
// DataParallel: weights and gradients of one rank's model chunks, and their exchange with the ranks
// that train the same chunks on other samples.
//
// Ranks along dp_replicate hold the same state. Ranks along dp_shard share it out, each parameter's
// local tensor by FlatSplit: with zero 1 the optimizer's state, with 2 the gradients too, with 3
// the weights too (Rajbhandari et al., "ZeRO", 1910.02054; both axes together are HSDP, Zhao et
// al., "PyTorch FSDP", 2304.11277 §3.2.2). A step:
//
//   data.BeginStep(num_micro_batches);
//   …  data.FetchParameters(module k + 1);                     // zero 3
//      data.AwaitParameters(module k);  pass of module k, gradients through data.sink(chunk)
//      data.ReleaseParameters(module k);
//   data.ReduceGradients(chunk);                               // each chunk
//   data.TieReduce();
//   data.SquaredNorms(norms);
//   …  the optimizer updates data.shards()
//   data.GatherWeights();
//
// A gradient is summed in a fixed order: micro-batches ascending, PartialRows::ranks, dp_shard,
// dp_replicate, chunks of this rank, Parameter::holders; with zero 2 and 3 each micro-batch is
// summed over PartialRows::ranks and dp_shard before it is added. Bucket size, overlap and prefetch
// change no bit. All ranks of a group must make the same calls in the same order. From the second
// step on, a step takes no memory from the heap and uses the same addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "runtime/nn/precision.h"
#include "runtime/parallel/data/data_parallel_options.h"
#include "runtime/parallel/data/parameter_shard.h"
#include "runtime/parallel/data/sharded_gradients.h"
#include "runtime/parallel/data/sharded_weights.h"
#include "runtime/state/state_entry.h"

namespace cadmus {

class DataParallel {
 public:
  // `chunks`: the parameters of each model chunk of this rank, in forward order. A parameter of two
  // chunks (a tied table on a rank with the first and the last stage) is in both lists; its
  // gradient is then kept once per chunk and added by TieReduce. Parameter::num_uses counts the
  // contributions of one chunk. Slices, partial rows and holders are set before. Takes memory for
  // weights (not yet written) and, if they are kept, gradients, and gives the parameters their
  // views; without gradients there are only weights to initialize, load, fetch and release. Throws
  // kConfig for dp_shard > 1 with a zero stage other than 1, 2 and 3. All references must outlive
  // the object.
  DataParallel(const std::vector<std::vector<Parameter*>>& chunks, const Precision& precision,
               const DataParallelGroups& groups, Stream& compute, Stream& communication,
               const DataParallelOptions& options);

  // Writes the first values of this rank's weights (initial_values.h). Blocks.
  void Initialize(uint64_t seed) { weights_.Initialize(seed); }

  void BeginStep(int num_micro_batches) { gradients_->BeginStep(num_micro_batches); }
  // Where the modules of `chunk` bring their gradients.
  GradientSink& sink(int chunk) { return gradients_->sink(chunk); }

  // Zero 3 (nothing otherwise): starts to gather whole weights on the communication stream; they
  // stay until as many Releases. Passes run between Await, which makes the compute stream wait for
  // them, and Release. Outside of Fetch and Release Parameter::weight is absent.
  void FetchParameters(std::span<Parameter* const> parameters) { weights_.Fetch(parameters); }
  void AwaitParameters(std::span<Parameter* const> parameters) { weights_.Await(parameters); }
  void ReleaseParameters(std::span<Parameter* const> parameters) { weights_.Release(parameters); }

  // All contributions of the chunk are issued: starts the reductions that have not started. Throws
  // kInternal, naming the parameter, if a contribution is missing.
  void ReduceGradients(int chunk) { gradients_->Reduce(chunk); }
  // After the last ReduceGradients: adds the gradients of parameters that are held more than once.
  void TieReduce() { gradients_->TieReduce(); }

  // norms_P F64[P], P slots: the squared norm of what this rank counts of each parameter's gradient
  // in its norm_slot, 0 elsewhere. Summed over pp × dp_shard × tp every element is counted once.
  // Behind it, on the compute stream, all gradients are final.
  void SquaredNorms(const TensorView& norms_P) { gradients_->SquaredNorms(norms_P); }

  // One for each parameter, in the order of first appearance in `chunks`.
  const std::vector<ParameterShard>& shards() const { return shards_; }

  // After the optimizer: zero 1 and 2 gather the updated weights. Throws kInternal if a fetched
  // parameter was not released.
  void GatherWeights() { weights_.Gather(); }

  // The weights: named as the parameters. All that this rank holds is to be loaded; the elements of
  // its shards that it owns are to be written, by it or another rank along dp_replicate. Where the
  // optimizer keeps masters (Precision::master), it writes those under the same names, and of the
  // weights nothing is written: they are rounded from the masters as they are loaded.
  std::vector<StateEntry> StateEntries() const;
  // Ranks along dp_replicate have the same entries to write: shares them out, each rank about as
  // many bytes. Call it once, with all entries, those of the optimizer included.
  void ShareWriting(std::vector<StateEntry>& entries) const;

  int num_buckets() const { return gradients_->num_buckets(); }

 private:
  Communicator& replicate_;
  bool weights_are_masters_;
  ShardedWeights weights_;
  std::optional<ShardedGradients> gradients_;  // of a job that trains
  std::vector<ParameterShard> shards_;
};

}  // namespace cadmus
