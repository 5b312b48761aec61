// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn_attention.h"

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/cuda/cudnn_attention_graph.h"
#include "kernels/cuda/nvtx_range.h"
#include "kernels/cuda/stream.h"
#include "kernels/ops/cudnn_choice.h"

namespace cadmus::cuda {

struct Cudnn {
  CudnnTarget gpu;
  std::vector<std::pair<AttentionSpec, std::weak_ptr<const CudnnAttention>>> plans;
  std::vector<std::pair<AttentionSpec, std::string>> refusals;
};

namespace {

class GraphAttention final : public CudnnAttention {
 public:
  GraphAttention(const AttentionSpec& spec, std::shared_ptr<const Cudnn> cudnn)
      : cudnn_(std::move(cudnn)),
        forward_(PlanCudnnForward(spec, cudnn_->gpu)),
        backward_(PlanCudnnBackward(spec, cudnn_->gpu)),
        layout_(LayOutCudnnBackward(spec)) {}

  std::string name() const override {
    return StrCat(CudnnVersionInWords(LoadCudnn().GetVersion()), ", engines ",
                  forward_.plan.engine(), " and ", backward_.plan.engine());
  }

  void Forward(const AttentionForwardArgs& args, Stream& stream) const override {
    const NvtxRange range(AttentionForwardArgs::kName);
    const std::array arguments = {CudnnPlan::Argument{forward_.q, args.q_BSHD.raw()},
                                  CudnnPlan::Argument{forward_.k, args.k_BTKD.raw()},
                                  CudnnPlan::Argument{forward_.v, args.v_BTKD.raw()},
                                  CudnnPlan::Argument{forward_.out, args.out_BSHD.raw()},
                                  CudnnPlan::Argument{forward_.lse, args.lse_BHS.raw()}};
    forward_.plan.Run(HandleOn(stream), arguments, args.workspace.raw());
  }

  void Backward(const AttentionBackwardArgs& args, Stream& stream) const override {
    const NvtxRange range(AttentionBackwardArgs::kName);
    auto* const workspace = static_cast<std::byte*>(args.workspace.raw());
    const std::array<CudnnPlan::Argument, 11> arguments = {
        {{backward_.q, args.q_BSHD.raw()},
         {backward_.k, args.k_BTKD.raw()},
         {backward_.v, args.v_BTKD.raw()},
         {backward_.out, args.out_BSHD.raw()},
         {backward_.lse, args.lse_BHS.raw()},
         {backward_.dout, args.dout_BSHD.raw()},
         {backward_.dq, args.dq_BSHD.raw()},
         {backward_.dk, args.dk_BTKD.raw()},
         {backward_.dv, args.dv_BTKD.raw()},
         {backward_.delta, workspace + layout_.delta_at},
         {backward_.dq_sums, workspace + layout_.dq_sums_at}}};
    const size_t num_arguments = arguments.size() - (backward_.dq_sums == 0 ? 1 : 0);
    backward_.plan.Run(HandleOn(stream), std::span(arguments).first(num_arguments),
                       workspace + layout_.library_at);
  }

 private:
  cudnnHandle_t HandleOn(Stream& stream) const {
    CheckCudnn(LoadCudnn().SetStream(cudnn_->gpu.handle(), CudaStreamOf(stream).handle()),
               "cudnnSetStream");
    return cudnn_->gpu.handle();
  }

  std::shared_ptr<const Cudnn> cudnn_;
  CudnnAttentionForward forward_;
  CudnnAttentionBackward backward_;
  CudnnBackwardLayout layout_;
};

}  // namespace

std::shared_ptr<Cudnn> OpenCudnn() {
  return std::make_shared<Cudnn>(Cudnn{.gpu = CudnnTarget::CurrentGpu(), .plans = {}, .refusals = {}});
}

std::shared_ptr<const CudnnAttention> MakeCudnnAttention(const AttentionSpec& spec,
                                                         const std::shared_ptr<Cudnn>& cudnn) {
  std::erase_if(cudnn->plans, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [known, plan] : cudnn->plans) {
    if (known == spec) return plan.lock();
  }
  for (const auto& [known, words] : cudnn->refusals) {
    if (known == spec) throw Error(Kind::kConfig, words);
  }
  try {
    auto made = std::make_shared<const GraphAttention>(spec, cudnn);
    cudnn->plans.emplace_back(spec, made);
    return made;
  } catch (const Error& error) {
    if (error.kind() == Kind::kConfig) cudnn->refusals.emplace_back(spec, error.message());
    throw;
  }
}

}  // namespace cadmus::cuda
