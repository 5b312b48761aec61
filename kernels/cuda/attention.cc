// SPDX-License-Identifier: Apache-2.0
// Which kernel a plan for attention takes, and which one a call of it.
#include "kernels/ops/attention.h"

#include "kernels/base/error.h"
#include "kernels/cuda/attention_plan.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/kernels.h"
#include "kernels/ops/cudnn_choice.h"

namespace cadmus::cuda {
namespace {

const CudaAttentionPlan& PlanOf(const AttentionPlan& plan) {
  const auto* cuda_plan = dynamic_cast<const CudaAttentionPlan*>(&plan);
  CADMUS_CHECK(cuda_plan != nullptr, "the plan was made for another device");
  return *cuda_plan;
}

// Null where the library is not here or has no plan after all; then the log says why. A kernel that
// was asked for by name must be had.
std::shared_ptr<const CudnnAttention> TryCudnn(const AttentionSpec& spec, CudaDevice& device) {
  try {
    return MakeCudnnAttention(spec, device.cudnn());
  } catch (const Error& error) {
    if (error.kind() != Kind::kConfig || !spec.gpu_kernel.empty()) throw;
    device.SayOnce(StrCat("attention takes the simple kernel: ", error.message()));
    return nullptr;
  }
}

}  // namespace

std::shared_ptr<const AttentionPlan> MakeAttentionPlan(const AttentionSpec& spec, Device& device) {
  auto* cuda_device = dynamic_cast<CudaDevice*>(&device);
  CADMUS_CHECK(cuda_device != nullptr, "a cuda plan is made for a cuda device");
  const GpuAttentionChoice choice =
      ChooseGpuAttention(GpuKernels(), spec, device.properties().capability);
  auto plan = std::make_shared<CudaAttentionPlan>();
  plan->spec = spec;
  plan->simple = choice.simple;
  plan->kernel = StrCat(kSimpleAttention, ", ", choice.simple.rows_per_warp, " rows a warp, ",
                        32 * choice.simple.chunks, " dims");
  plan->forward_workspace_bytes = choice.forward_workspace_bytes;
  plan->backward_workspace_bytes = choice.backward_workspace_bytes;
  plan->capturable = true;
  AllowSharedForForward(spec, plan->simple, cuda_device->ordinal());
  AllowSharedForBackward(spec, plan->simple, cuda_device->ordinal());
  if (!choice.why_not.empty()) {
    cuda_device->SayOnce(
        StrCat("attention takes the simple kernel: cuDNN has no plan for ", choice.why_not));
  }
  if (choice.takes_cudnn) plan->cudnn = TryCudnn(spec, *cuda_device);
  if (plan->cudnn != nullptr) {
    plan->capturable = false;  // not tried
    plan->kernel =
        StrCat(plan->cudnn->name(), " (calls that are not as declared: ", plan->kernel, ")");
  }
  return plan;
}

void AttentionForward(const AttentionForwardArgs& args, Stream& stream) {
  const CudaAttentionPlan& plan = PlanOf(*args.plan);
  if (plan.cudnn != nullptr && IsAsDeclared(args)) return plan.cudnn->Forward(args, stream);
  SimpleAttentionForward(args, plan.simple, stream);
}

void AttentionBackward(const AttentionBackwardArgs& args, Stream& stream) {
  const CudaAttentionPlan& plan = PlanOf(*args.plan);
  if (plan.cudnn != nullptr && IsAsDeclared(args)) return plan.cudnn->Backward(args, stream);
  SimpleAttentionBackward(args, plan.simple, stream);
}

}  // namespace cadmus::cuda
