// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gpu_kernels.h"

#include "kernels/base/error.h"

namespace cadmus {
namespace {

bool IsProven(const GpuKernel& kernel) { return StateOf(kernel) >= KernelState::kGpuCorrect; }

GpuKernelChoice Taken(const GpuKernel& kernel) {
  if (IsProven(kernel)) return {kernel, ""};
  return {kernel, StrCat(kernel.op, ": ", kernel.name, " is only ", Name(StateOf(kernel)),
                         ": it has not been shown correct on a GPU")};
}

}  // namespace

std::string_view Name(KernelState state) {
  switch (state) {
    case KernelState::kCompiled:
      return "compiled";
    case KernelState::kModelled:
      return "modelled";
    case KernelState::kGpuCorrect:
      return "gpu-correct";
    case KernelState::kGpuFast:
      return "gpu-fast";
  }
  CADMUS_UNREACHABLE("every state has a name above");
}

KernelState StateOf(const GpuKernel& kernel) {
  const bool was_proven = kernel.recorded >= KernelState::kGpuCorrect;
  return was_proven && kernel.proven_hash != kernel.source_hash ? KernelState::kCompiled
                                                                : kernel.recorded;
}

GpuKernelChoice ChooseGpuKernel(std::span<const GpuKernel> kernels, std::string_view op,
                                std::optional<std::string_view> asked_for) {
  const GpuKernel* proven = nullptr;
  const GpuKernel* last = nullptr;
  for (const GpuKernel& kernel : kernels) {
    if (kernel.op != op) continue;
    if (asked_for && kernel.name == *asked_for) return Taken(kernel);
    if (proven == nullptr && IsProven(kernel)) proven = &kernel;
    last = &kernel;
  }
  if (asked_for || last == nullptr) {
    throw Error(Kind::kConfig,
                StrCat("the cuda device has no kernel",
                       asked_for ? StrCat(" '", *asked_for, "'") : std::string(), " for ", op));
  }
  return Taken(proven != nullptr ? *proven : *last);
}

std::string UnprovenGpuKernels(std::span<const GpuKernel> kernels) {
  std::string unproven;
  std::string_view op;
  for (const GpuKernel& kernel : kernels) {
    if (kernel.op == op) continue;  // the kernels of an op stand together
    op = kernel.op;
    const GpuKernelChoice choice = ChooseGpuKernel(kernels, op);
    if (choice.warning.empty()) continue;
    unproven += StrCat(unproven.empty() ? "" : ", ", choice.kernel.name, " (",
                       Name(StateOf(choice.kernel)), ")");
  }
  return unproven.empty() ? "" : StrCat("not shown correct on a GPU: ", unproven);
}

}  // namespace cadmus
