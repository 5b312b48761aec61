// SPDX-License-Identifier: Apache-2.0
// LanguageModelHead: final norm, projection to the vocabulary, and the loss; the last module of a
// model. In training the gradient of the loss takes the place of the logits at once; in evaluation
// each token's loss is all that is made; in inference only the last position's logits are. Where
// ranks split the vocabulary each makes its own columns of the logits; three numbers per token are
// gathered of them (cross_entropy.h), and every rank adds the same loss. Letters: B rows, S tokens
// per row, T = B·S, M model width, V vocabulary (of this rank, padded); outer: this rank's rows of
// T (tensor_parallel.h).
#pragma once

#include <optional>

#include "models/layers/linear.h"
#include "models/layers/norm.h"
#include "runtime/nn/module.h"
#include "runtime/parallel/tensor/tensor_parallel.h"

namespace cadmus {

class LanguageModelHead final : public Module {
 public:
  // With its own weight, "head.weight"; norm.width is the model's. `parallel` must outlive the
  // head. Over several ranks the weight must be placed before it is given memory, dim 0 padded and
  // cut over them (split_vocabulary.h), and there is no inference (kConfig).
  LanguageModelHead(int64_t vocab_size, const NormSpec& norm, double initial_std,
                    const TensorParallel& parallel);
  // Tied to an embedding's table, which must outlive the head.
  LanguageModelHead(Parameter& table_VM, const NormSpec& norm, const TensorParallel& parallel);

  // The matrix, own or tied.
  Parameter& weight() { return weight_VM_; }

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct HeadSaved;

  // Forward, in training and evaluation.
  void NormRows(ForwardContext& context, HeadSaved& saved);
  void Enter(ForwardContext& context, HeadSaved& saved);
  void MakeLogits(ForwardContext& context, HeadSaved& saved);
  void GatherStatistics(ForwardContext& context, HeadSaved& saved);
  void AddLoss(ForwardContext& context, HeadSaved& saved);
  void ForwardInference(ForwardContext& context, HeadSaved& saved);
  // Backward.
  void ProjectBackward(BackwardContext& context, HeadSaved& saved);
  void EnterBackward(BackwardContext& context, HeadSaved& saved);
  void NormRowsBackward(BackwardContext& context, HeadSaved& saved);
  void AddToWeight(BackwardContext& context, HeadSaved& saved);

  using ForwardStep = void (LanguageModelHead::*)(ForwardContext&, HeadSaved&);
  using BackwardStep = void (LanguageModelHead::*)(BackwardContext&, HeadSaved&);
  template <ForwardStep kStep>
  static void RunWithLabels(Module& self, ForwardContext& context, Saved& saved);
  template <BackwardStep kStep>
  static void RunBackward(Module& self, BackwardContext& context, Saved& saved);

  std::optional<Parameter> own_weight_VM_;
  Parameter& weight_VM_;
  Norm norm_;
  Linear projection_;
  const TensorParallel& parallel_;
};

}  // namespace cadmus
