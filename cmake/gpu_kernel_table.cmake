# SPDX-License-Identifier: Apache-2.0
# cmake -DROOT=… -DSTATES=… -DTABLE=… -DDEPFILE=… -P gpu_kernel_table.cmake: writes the C++ table of GPU kernels from
# kernels/cuda/kernel_states.txt, each line with the hash of its sources as they are now; and what the table depends on.
cmake_minimum_required(VERSION 3.25)

# The sources of a kernel, and every .cuh that they include, directly or not; sorted.
function(all_sources result)
  set(found)
  set(open ${ARGN})
  while(open)
    list(POP_FRONT open source)
    if(source IN_LIST found)
      continue()
    endif()
    if(NOT EXISTS ${ROOT}/${source})
      message(FATAL_ERROR "${STATES}: ${source} does not exist")
    endif()
    list(APPEND found ${source})
    file(STRINGS ${ROOT}/${source} includes REGEX "^#include \"kernels/cuda/[a-z0-9_/]+[.]cuh\"")
    list(TRANSFORM includes REPLACE "^#include \"(.*)\".*" "\\1")
    list(APPEND open ${includes})
  endwhile()
  list(SORT found)
  set(${result} ${found} PARENT_SCOPE)
endfunction()

# 16 hexadecimal digits that change with any of the files.
function(hash_of result)
  set(digests)
  foreach(source ${ARGN})
    file(SHA256 ${ROOT}/${source} digest)
    string(APPEND digests "${source} ${digest}\n")
  endforeach()
  string(SHA256 digest "${digests}")
  string(SUBSTRING ${digest} 0 16 digest)
  set(${result} ${digest} PARENT_SCOPE)
endfunction()

set(rows)
set(dependencies)
file(STRINGS ${STATES} lines REGEX "^[^#]")
foreach(line ${lines})
  if(NOT line MATCHES "^([a-z0-9_]+) [|] ([^|]+) [|] (compiled|modelled|gpu-correct|gpu-fast) [|] (-|[0-9a-f]+) [|] (.+)$")
    message(FATAL_ERROR "${STATES}: '${line}' is not 'op | kernel | state | hash | sources'")
  endif()
  set(op ${CMAKE_MATCH_1})
  set(kernel ${CMAKE_MATCH_2})
  set(state ${CMAKE_MATCH_3})
  string(REPLACE "-" "" proven ${CMAKE_MATCH_4})
  separate_arguments(sources UNIX_COMMAND "${CMAKE_MATCH_5}")
  all_sources(sources ${sources})
  hash_of(hash ${sources})
  if(state STREQUAL "compiled")
    set(enumerator kCompiled)
  elseif(state STREQUAL "modelled")
    set(enumerator kModelled)
  elseif(state STREQUAL "gpu-correct")
    set(enumerator kGpuCorrect)
  else()
    set(enumerator kGpuFast)
  endif()
  string(APPEND rows "    {\"${op}\", \"${kernel}\", KernelState::${enumerator}, \"${proven}\", \"${hash}\"},\n")
  list(APPEND dependencies ${sources})
endforeach()

file(WRITE ${TABLE} "// Written by cmake/gpu_kernel_table.cmake from kernels/cuda/kernel_states.txt.
#include \"kernels/ops/gpu_kernels.h\"

namespace cadmus {
namespace {

constexpr GpuKernel kGpuKernels[] = {
${rows}};

}  // namespace

std::span<const GpuKernel> GpuKernels() { return kGpuKernels; }

}  // namespace cadmus
")
list(REMOVE_DUPLICATES dependencies)
list(TRANSFORM dependencies PREPEND "${ROOT}/")
list(JOIN dependencies " " dependencies)
file(WRITE ${DEPFILE} "${TABLE}: ${dependencies}\n")
