// SPDX-License-Identifier: Apache-2.0
// TensorParallel: the ranks that share one copy of the matrices of a stage, and how they divide the
// tokens between the matrices. Layers ask it; with one rank (the default) nothing is split, and the
// operators of this folder neither copy nor communicate.
//
//   TensorParallel tensor(*tp_ranks, kv_replicas.get(), {.sequence_parallel = true});
//
// Inside a parallel region (a column-parallel product, what follows it elementwise or by heads, and
// a row-parallel product) every rank sees all T tokens of the micro-batch and its own heads or
// columns: "inner". Between regions (norms, dropout, residuals) with sequence parallel each rank
// sees its rows only, [T/tp, M]: "outer"; without it outer and inner are the same.
// Source: Shoeybi et al., Megatron-LM (1909.08053) §3; Korthikanti et al. (2205.05198) §4.2.2.
#pragma once

#include <cstdint>
#include <memory>

#include "collectives/communicator/communicator.h"
#include "kernels/device/device.h"

namespace cadmus {

struct TensorParallelOptions {
  bool sequence_parallel = true;
  // Parts of the tokens in which a product and its collective run, the collective of one part
  // beside the product of the next. 1: one after the other, on the compute stream.
  int token_parts = 1;
};

// Rows [begin, end) of a flattened batch.
struct TokenRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

class TensorParallel {
 public:
  TensorParallel() = default;  // one rank
  // Both groups and their device must outlive it. kv_replicas: the ranks of `ranks` that hold the
  // same key and value heads where there are fewer such heads than ranks; null where every rank has
  // its own.
  TensorParallel(Communicator& ranks, Communicator* kv_replicas,
                 const TensorParallelOptions& options);

  int index() const { return ranks_ == nullptr ? 0 : ranks_->rank(); }
  int size() const { return ranks_ == nullptr ? 1 : ranks_->size(); }
  bool splits_sequence() const { return size() > 1 && options_.sequence_parallel; }
  // Whether products and collectives run in parts of the tokens (token_parts.h): the boundary is
  // then crossed inside the products.
  bool overlaps() const { return communication_ != nullptr; }
  bool gathers_in_parts() const { return overlaps() && splits_sequence(); }
  int token_parts() const { return overlaps() ? options_.token_parts : 1; }

  Communicator& ranks() const;
  Communicator* kv_replicas() const { return kv_replicas_; }

  // The rows of a micro-batch of `num_tokens` that are this rank's outer rows. Throws kConfig where
  // the tokens do not divide by the ranks that split them.
  TokenRange OuterTokens(int64_t num_tokens) const;

  // Where overlaps(): the stream of the collectives that run beside products, and an event for the
  // order between the two, which a wait may follow at once.
  Stream& communication() const { return *communication_; }
  Event& mark() const { return *mark_; }

 private:
  Communicator* ranks_ = nullptr;
  Communicator* kv_replicas_ = nullptr;
  TensorParallelOptions options_;
  std::unique_ptr<Stream> communication_;
  std::unique_ptr<Event> mark_;
};

}  // namespace cadmus
