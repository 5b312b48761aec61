// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/cpu_libraries.h"

#include <cblas.h>
#include <dnnl.h>

#include "kernels/base/str_cat.h"

namespace cadmus::cpu {
namespace {

std::string InWords(dnnl_cpu_isa_t instructions) {
  switch (instructions) {
    case dnnl_cpu_isa_all:
      return "all";
    case dnnl_cpu_isa_sse41:
      return "SSE41";
    case dnnl_cpu_isa_avx:
      return "AVX";
    case dnnl_cpu_isa_avx2:
      return "AVX2";
    case dnnl_cpu_isa_avx2_vnni:
      return "AVX2_VNNI";
    case dnnl_cpu_isa_avx512_core:
      return "AVX512_CORE";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "AVX512_CORE_VNNI";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "AVX512_CORE_BF16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "AVX512_CORE_AMX";
    default:
      return StrCat("number ", static_cast<int>(instructions));
  }
}

std::vector<std::string> CompiledFor() {
  std::vector<std::string> names;
#ifdef __AVX2__
  names.push_back("avx2");
#endif
#ifdef __FMA__
  names.push_back("fma");
#endif
#ifdef __AVX512F__
  names.push_back("avx512f");
#endif
#ifdef __AVX512VNNI__
  names.push_back("avx512_vnni");
#endif
#ifdef __AVX512BF16__
  names.push_back("avx512_bf16");
#endif
  return names;
}

}  // namespace

CpuLibraries FindCpuLibraries() {
  const dnnl_version_t& loaded = *dnnl_version();
  return {.onednn_built_with =
              StrCat(DNNL_VERSION_MAJOR, ".", DNNL_VERSION_MINOR, ".", DNNL_VERSION_PATCH),
          .onednn = StrCat(loaded.major, ".", loaded.minor, ".", loaded.patch),
          .onednn_instructions = InWords(dnnl_get_effective_cpu_isa()),
          .openblas = openblas_get_config(),
          .openblas_core = openblas_get_corename(),
          .compiled_for = CompiledFor()};
}

}  // namespace cadmus::cpu
