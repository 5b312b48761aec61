// SPDX-License-Identifier: Apache-2.0
// EmbeddingModule: tokens to vectors, with dropout; the first module of a model.
// Letters: T tokens, V vocabulary, M model width.
#pragma once

#include "runtime/nn/module.h"

namespace cadmus {

class EmbeddingModule final : public Module {
 public:
  EmbeddingModule(int64_t vocab_size, int64_t model_width, double initial_std, double dropout);

  Parameter& table() { return table_VM_; }

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct EmbeddingSaved;

  void Run(ForwardContext& context, EmbeddingSaved& saved);
  void RunBackwardWeight(BackwardContext& context, EmbeddingSaved& saved);

  Parameter table_VM_;
  double dropout_;
  uint64_t site_;
};

}  // namespace cadmus
