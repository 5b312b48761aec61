// SPDX-License-Identifier: Apache-2.0
// EmbeddingModule: tokens, and where the family learns them their positions, to vectors, with
// dropout; the first module of a model. Where ranks split the vocabulary each looks up the tokens
// that it holds and the rest is 0, so the sum over the ranks is exactly what one rank would look
// up; the position is added behind the sum, to outer rows. Letters: T tokens, V vocabulary, P
// positions, M model width; outer: this rank's rows of T (tensor_parallel.h).
#pragma once

#include <optional>

#include "runtime/nn/module.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

// The name of the table, wherever it is held.
inline constexpr char kEmbeddingTableName[] = "embedding.weight";

struct EmbeddingSpec {
  int64_t vocab_size = 0, model_width = 0;
  int64_t num_positions = 0;  // 0: positions are not learned
  double initial_std = 0.02;
  double dropout = 0;
};

class EmbeddingModule final : public Module {
 public:
  // `parallel` must outlive the module. Over several ranks the table must be placed before it
  // is given memory, dim 0 padded and cut over them (split_vocabulary.h), and there is no inference
  // (kConfig).
  EmbeddingModule(const EmbeddingSpec& spec, const TensorParallel& parallel);

  Parameter& table() { return table_VM_; }

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct EmbeddingSaved;

  template <auto kMethod>
  static void Run(Module& self, auto& context, Saved& saved);
  void LookUp(ForwardContext& context, EmbeddingSaved& saved);
  void Leave(ForwardContext& context, EmbeddingSaved& saved);
  // Positions and dropout, on outer rows.
  void FinishRows(ForwardContext& context, EmbeddingSaved& saved);
  void KeepGradient(BackwardContext& context, EmbeddingSaved& saved);
  void FinishRowsBackward(BackwardContext& context, EmbeddingSaved& saved);
  void LeaveBackward(BackwardContext& context, EmbeddingSaved& saved);
  void AddToTable(BackwardContext& context, EmbeddingSaved& saved);
  ConstTensorView OuterPositions(const MicroBatchInputs& inputs) const;
  // In place, on outer rows.
  void DropOutRows(const TensorView& x_outer, const MicroBatchInputs& inputs,
                   const ConstTensorView& scalars, Stream& stream) const;

  Parameter table_VM_;
  std::optional<Parameter> positions_PM_;
  double dropout_;
  uint64_t site_;
  const TensorParallel& parallel_;
};

}  // namespace cadmus
