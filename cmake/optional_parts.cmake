# SPDX-License-Identifier: Apache-2.0
# Sanitizers, and the parts that may be absent. Absence is a stub source file picked by CMake, never an #ifdef.

# The build type of the sanitizer presets: quick enough to run all tests, with assertions and lines in the reports.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1")

add_library(cadmus_sanitize INTERFACE)
if(CADMUS_SANITIZE)
  list(JOIN CADMUS_SANITIZE "," _sanitizers)
  target_compile_options(cadmus_sanitize INTERFACE -fsanitize=${_sanitizers} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(cadmus_sanitize INTERFACE -fsanitize=${_sanitizers})
endif()

# cadmus_optional(CADMUS_CUDA CADMUS_HAS_CUDA "${found}" "what to install")
function(cadmus_optional choice result found remedy)
  if(NOT ${choice} MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "${choice}=${${choice}}: write AUTO, ON or OFF")
  endif()
  if(${choice} STREQUAL "ON" AND NOT found)
    message(FATAL_ERROR "${choice}=ON, but it was not found: ${remedy}")
  endif()
  if(${choice} STREQUAL "OFF" OR NOT found)
    set(${result} OFF PARENT_SCOPE)
  else()
    set(${result} ON PARENT_SCOPE)
  endif()
endfunction()

# The CUDA back end is not written yet: AUTO is OFF, ON is refused by name.
cadmus_optional(CADMUS_CUDA CADMUS_HAS_CUDA "" "the cuda back end is not in this version; use CADMUS_CUDA=OFF")
cadmus_optional(CADMUS_NCCL CADMUS_HAS_NCCL "" "the nccl communicator is not in this version; use CADMUS_NCCL=OFF")
message(STATUS "cadmus: cuda ${CADMUS_HAS_CUDA}, nccl ${CADMUS_HAS_NCCL}, sanitizers '${CADMUS_SANITIZE}'")
