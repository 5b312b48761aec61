// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/tensor/tensor_parallel.h"

#include "kernels/base/error.h"

namespace cadmus {

TensorParallel::TensorParallel(Communicator& ranks, Communicator* kv_replicas,
                               const TensorParallelOptions& options)
    : ranks_(&ranks), kv_replicas_(kv_replicas), options_(options) {
  CADMUS_CHECK(options.token_parts >= 1, StrCat(options.token_parts, " token parts"));
  if (ranks.size() == 1 || options.token_parts == 1) return;
  communication_ = ranks.device().NewStream(StreamKind::kCommunication, "tp");
  mark_ = ranks.device().NewEvent();
}

Communicator& TensorParallel::ranks() const {
  CADMUS_CHECK(ranks_ != nullptr, "one rank alone has no tensor-parallel group");
  return *ranks_;
}

TokenRange TensorParallel::OuterTokens(int64_t num_tokens) const {
  if (!splits_sequence()) return {0, num_tokens};
  if (num_tokens % size() != 0) {
    throw Error(Kind::kConfig,
                StrCat("a micro-batch of ", num_tokens, " tokens does not divide over tp ", size(),
                       "; choose train.micro_batch_size · train.sequence_length divisible by ",
                       size(), ", or parallel.sequence_parallel: false"));
  }
  const int64_t share = num_tokens / size();
  return {index() * share, (index() + 1) * share};
}

}  // namespace cadmus
