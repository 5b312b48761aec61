// SPDX-License-Identifier: Apache-2.0
// EmbeddingModule: tokens to vectors, with dropout; the first module of a model. Where ranks split
// the vocabulary each looks up the tokens that it holds and the rest is 0, so the sum over the
// ranks is exactly what one rank would look up. Letters: T tokens, V vocabulary, M model width;
// outer: this rank's rows of T (tensor_parallel.h).
#pragma once

#include "runtime/nn/module.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// The name of the table, wherever it is held.
inline constexpr char kEmbeddingTableName[] = "embedding.weight";

class EmbeddingModule final : public Module {
 public:
  // `parallel` must outlive the module. Over several ranks the table must be placed before it
  // is given memory, dim 0 padded and cut over them (split_vocabulary.h), and there is no inference
  // (kConfig).
  EmbeddingModule(int64_t vocab_size, int64_t model_width, double initial_std, double dropout,
                  const TensorParallel& parallel);

  Parameter& table() { return table_VM_; }

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct EmbeddingSaved;

  void LookUp(ForwardContext& context, EmbeddingSaved& saved);
  void Leave(ForwardContext& context, EmbeddingSaved& saved);
  void DropOut(ForwardContext& context, EmbeddingSaved& saved);
  void DropOutBackward(BackwardContext& context, EmbeddingSaved& saved);
  void LeaveBackward(BackwardContext& context, EmbeddingSaved& saved);
  void AddToTable(BackwardContext& context, EmbeddingSaved& saved);
  // In place, on outer rows.
  void DropOutRows(const TensorView& x_outer, const MicroBatchInputs& inputs,
                   const ConstTensorView& scalars, Stream& stream) const;

  Parameter table_VM_;
  double dropout_;
  uint64_t site_;
  const TensorParallel& parallel_;
};

}  // namespace cadmus
