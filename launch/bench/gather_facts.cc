// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/gather_facts.h"

#include <dlfcn.h>

#include <string_view>

#include "kernels/base/checksum.h"
#include "kernels/base/file.h"
#include "kernels/open_device.h"
#include "launch/bench/read_host.h"

namespace cadmus {
namespace {

BuildFacts ThisBuild() {
  constexpr std::string_view kOn = "ON";
  return {.version = CADMUS_VERSION,
          .compiler = CADMUS_COMPILER,
          .flags = CADMUS_FLAGS,
          .type = CADMUS_BUILD_TYPE,
          .sanitizers = CADMUS_SANITIZERS,
          .has_cuda = kOn == CADMUS_CUDA_BUILT,
          .has_nccl = kOn == CADMUS_NCCL_BUILT,
          .binary_hash = ContentHash(MappedFile("/proc/self/exe", Kind::kInternal).bytes())};
}

// Looks a library up as the loader does, and asks it for its version by `function`, which both
// vendors declare as `int (*)(int*)`, 0 meaning success. The library stays loaded: the drivers'
// do not bear being closed.
struct Lookup {
  const char* library;
  const char* function;
};

FoundLibrary Find(const Lookup& lookup, std::string (*in_words)(int)) {
  FoundLibrary found;
  void* const library = ::dlopen(lookup.library, RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return found;
  found.is_found = true;
  const auto ask = reinterpret_cast<int (*)(int*)>(::dlsym(library, lookup.function));
  if (int version = 0; ask != nullptr && ask(&version) == 0) found.version = in_words(version);
  return found;
}

// 13010 is 13.1
std::string CudaVersion(int number) { return StrCat(number / 1000, ".", number % 1000 / 10); }

// 22809 is 2.28.9
std::string NcclVersion(int number) {
  return StrCat(number / 10000, ".", number / 100 % 100, ".", number % 100);
}

std::vector<Gpu> FindGpus() {
  try {
    return VisibleGpus();
  } catch (const Error& error) {  // no CUDA in this build, no driver, or no GPU: found elsewhere
    if (error.kind() != Kind::kConfig) throw;
    return {};
  }
}

}  // namespace

MachineFacts GatherFacts(const Launch& launch) {
  return {.build = ThisBuild(),
          .mpi = FindMpiLibrary(),
          .libraries = cpu::FindCpuLibraries(),
          .cuda_driver =
              Find({.library = "libcuda.so.1", .function = "cuDriverGetVersion"}, CudaVersion),
          .nccl = Find({.library = "libnccl.so.2", .function = "ncclGetVersion"}, NcclVersion),
          .host = ReadHost("/"),
          .launch = launch,
          .gpus = FindGpus()};
}

}  // namespace cadmus
