// SPDX-License-Identifier: Apache-2.0
// LanguageModelHead: final norm, projection to the vocabulary, and the loss; the last module of a
// model. In training the gradient of the loss takes the place of the logits at once; in inference
// only the last position's logits are made. Letters: B rows, S tokens per row, T = B·S, M model
// width, V vocabulary.
#pragma once

#include <optional>

#include "models/layers/linear.h"
#include "models/layers/norm.h"
#include "runtime/nn/module.h"

namespace cadmus {

class LanguageModelHead final : public Module {
 public:
  // With its own weight, "head.weight".
  LanguageModelHead(int64_t vocab_size, int64_t model_width, double norm_epsilon,
                    double initial_std);
  // Tied to an embedding's table, which must outlive the head.
  LanguageModelHead(Parameter& table_VM, double norm_epsilon);

  void VisitParameters(const std::function<void(Parameter&)>& visit) override;
  std::unique_ptr<Saved> NewSaved() const override;
  std::span<const ForwardSegment> forward_segments() const override;
  std::span<const BackwardSegment> backward_input_segments() const override;
  std::span<const BackwardSegment> backward_weight_segments() const override;

 private:
  struct HeadSaved;

  void ForwardTraining(ForwardContext& context, HeadSaved& saved);
  void ForwardInference(ForwardContext& context, HeadSaved& saved);
  void RunBackwardInput(BackwardContext& context, HeadSaved& saved);
  void RunBackwardWeight(BackwardContext& context, HeadSaved& saved);

  std::optional<Parameter> own_weight_VM_;
  Parameter& weight_VM_;
  Norm norm_;
  Linear projection_;
};

}  // namespace cadmus
