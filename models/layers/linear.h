// SPDX-License-Identifier: Apache-2.0
// Linear: y = x Wᵀ (+ b), with W stored [N, K] (outputs by inputs), and its backward products.
//
//   dx = dy W;   dW (+)= dyᵀ x;   db (+)= Σ_t dy[t]
//
// Rows may also be given as R stretches of T tokens that lie apart, [R, T, K]: one product of R·T
// rows. N and K are those of the part that this rank holds.
// Letters: T tokens, K inputs, N outputs.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kernels/ops/gemm.h"
#include "runtime/nn/context.h"
#include "runtime/nn/parameter.h"

namespace cadmus {

// Sizes are of all ranks.
struct LinearSpec {
  int64_t num_inputs = 0, num_outputs = 0;
  double initial_std = 0.02;
  bool has_bias = false;
};

// "name.weight" and, if there is one, "name.bias".
struct LinearParameters {
  LinearParameters(const std::string& name, const LinearSpec& spec);

  void VisitParameters(const std::function<void(Parameter&)>& visit);

  Parameter weight_NK;
  std::optional<Parameter> bias_N;
};

class Linear {
 public:
  // The parameter must outlive the layer; it may be shared (tied embeddings).
  explicit Linear(Parameter& weight_NK) : weight_NK_(weight_NK) {}
  // kOtherRank: the products of several ranks are summed, and another one adds the bias; its
  // gradient is made here all the same.
  enum class BiasAdded { kHere, kOtherRank };
  explicit Linear(LinearParameters& parameters, BiasAdded bias_added = BiasAdded::kHere)
      : weight_NK_(parameters.weight_NK),
        bias_N_(parameters.bias_N ? &*parameters.bias_N : nullptr),
        adds_bias_(bias_N_ != nullptr && bias_added == BiasAdded::kHere) {}

  int64_t num_outputs() const { return weight_NK_.LocalShape()[0]; }
  int64_t num_inputs() const { return weight_NK_.LocalShape()[1]; }

  // [T, K] to [T, N], or [R, T, K] to [R, T, N].
  void Forward(const ConstTensorView& x_TK, const TensorView& y_TN, Stream& stream);
  void BackwardInput(const ConstTensorView& dy_TN, const TensorView& dx_TK, Stream& stream);
  void BackwardWeight(const ConstTensorView& x_TK, const ConstTensorView& dy_TN,
                      BackwardContext& context);

 private:
  enum class Product {
    kForward,
    kBackwardInput,
    kBackwardWeightOverwrite,
    kBackwardWeightAccumulate
  };
  struct PlanEntry {
    Product product;
    int64_t num_stretches, num_tokens;
    std::shared_ptr<const GemmPlan> plan;  // plans are shared by contract (MakePlan)
  };

  // Made at the first use of a number of tokens; training uses few. `dtype` is that of the rows:
  // the weight may be elsewhere (ZeRO-3) when its gradient is made.
  const GemmPlan& PlanFor(Product product, int64_t num_stretches, int64_t num_tokens, DType dtype,
                          Stream& stream);
  // A product with the weight, of [T, …] or [R, T, …] rows.
  void MultiplyRows(Product product, const ConstTensorView& x, const TensorView& y, Stream& stream);
  void Run(const GemmPlan& plan, const ConstTensorView& a, const ConstTensorView& b,
           const TensorView& c, Stream& stream) const;
  void AddToBias(const ConstTensorView& dy_TN, BackwardContext& context);

  Parameter& weight_NK_;
  Parameter* bias_N_ = nullptr;
  bool adds_bias_ = false;
  std::vector<PlanEntry> plans_;
};

}  // namespace cadmus
