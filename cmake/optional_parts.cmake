# SPDX-License-Identifier: Apache-2.0
# Sanitizers, and the parts that may be absent. Absence is a stub source file picked by CMake, never an #ifdef.

# The build type of the sanitizer presets, with assertions and lines in the reports. To optimise a folder by clang's address
# sanitizer costs more than it brings, but where loops over elements are: there goes CADMUS_LOOPS.
set(CADMUS_LOOPS $<$<CONFIG:Sanitize>:-O1>)

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

# CUDA: the compiler, and cuBLASLt of the same toolkit. Machine code for sm_80 and sm_90, and PTX that newer GPUs
# compile when the program starts.
set(_found_cuda "")
if(NOT CADMUS_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  find_package(CUDAToolkit 13.0 QUIET)
  if(CMAKE_CUDA_COMPILER AND CUDAToolkit_FOUND AND TARGET CUDA::cublasLt)
    set(_found_cuda ON)
  endif()
endif()
cadmus_optional(CADMUS_CUDA CADMUS_HAS_CUDA "${_found_cuda}"
  "install CUDA 13.0 or newer with nvcc and cuBLAS, put nvcc on the PATH (or set CUDACXX), or use CADMUS_CUDA=OFF")
if(CADMUS_HAS_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90-real)
  endif()
  enable_language(CUDA)
  # CMake 3.25 does not know yet that nvcc has C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  # What ptxas says of each kernel is kept beside its object file.
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/keep_ptxas_report.sh ${CADMUS_CCACHE})
endif()

# NCCL: its header alone; the library is found by name when a program asks for it.
set(_found_nccl "")
if(CADMUS_HAS_CUDA AND NOT CADMUS_NCCL STREQUAL "OFF")
  find_path(CADMUS_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(CADMUS_NCCL_INCLUDE)
    file(STRINGS ${CADMUS_NCCL_INCLUDE}/nccl.h _nccl_minor REGEX "^#define NCCL_MINOR ")
    string(REGEX REPLACE "[^0-9]" "" _nccl_minor "${_nccl_minor}")
    if(_nccl_minor GREATER_EQUAL 28)
      set(_found_nccl ON)
    endif()
  endif()
endif()
cadmus_optional(CADMUS_NCCL CADMUS_HAS_NCCL "${_found_nccl}"
  "install NCCL 2.28 or newer (its nccl.h; set CADMUS_NCCL_INCLUDE to its folder) beside CUDA, or use CADMUS_NCCL=OFF")

# cuDNN: likewise.
set(_found_cudnn "")
if(CADMUS_HAS_CUDA AND NOT CADMUS_CUDNN STREQUAL "OFF")
  find_path(CADMUS_CUDNN_INCLUDE cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(CADMUS_CUDNN_INCLUDE)
    file(STRINGS ${CADMUS_CUDNN_INCLUDE}/cudnn_version.h _cudnn_version REGEX "^#define CUDNN_(MAJOR|MINOR) ")
    string(REGEX REPLACE "[^0-9;]" "" _cudnn_version "${_cudnn_version}")
    list(JOIN _cudnn_version "." _cudnn_version)
    if(_cudnn_version VERSION_GREATER_EQUAL 9.19 AND _cudnn_version VERSION_LESS 10)
      set(_found_cudnn ON)
    endif()
  endif()
endif()
cadmus_optional(CADMUS_CUDNN CADMUS_HAS_CUDNN "${_found_cudnn}"
  "install cuDNN 9.19 or newer (its cudnn.h; set CADMUS_CUDNN_INCLUDE to its folder) beside CUDA, or use CADMUS_CUDNN=OFF")
message(STATUS "cadmus: cuda ${CADMUS_HAS_CUDA}, nccl ${CADMUS_HAS_NCCL}, cudnn ${CADMUS_HAS_CUDNN}, sanitizers '${CADMUS_SANITIZE}'")
