// SPDX-License-Identifier: Apache-2.0
// GpuKernels: what is known of each kernel of the cuda device, and which one an op takes. A kernel
// is proven on a GPU, and the proof belongs to its sources: once they change, it is only compiled.
// kernels/cuda/kernel_states.txt is the record. Pure and always compiled, like all choices.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

enum class KernelState : uint8_t { kCompiled, kModelled, kGpuCorrect, kGpuFast };

std::string_view Name(KernelState state);  // "gpu-correct"

struct GpuKernel {
  std::string_view op;
  std::string_view name;
  KernelState recorded = KernelState::kCompiled;
  std::string_view proven_hash;  // of the sources that ran on a GPU; empty: none did
  std::string_view source_hash;  // of the sources of this build
};

// All of them, in the order of the record.
std::span<const GpuKernel> GpuKernels();

// The recorded state; kCompiled where it was shown with other sources.
KernelState StateOf(const GpuKernel& kernel);

struct GpuKernelChoice {
  GpuKernel kernel;
  std::string warning;  // empty: it is proven
};

// Of the kernels of `op`, best first: the first that is gpu-correct; where none is, the last, which
// does whatever the op asks for, with a warning that names its state. One that is `asked_for` by
// name is taken in any state. Throws kConfig where there is no such kernel.
GpuKernelChoice ChooseGpuKernel(std::span<const GpuKernel> kernels, std::string_view op,
                                std::optional<std::string_view> asked_for = std::nullopt);

// What the choices for all ops have to say together; empty where each is proven.
std::string UnprovenGpuKernels(std::span<const GpuKernel> kernels);

}  // namespace cadmus
