// SPDX-License-Identifier: Apache-2.0
// CudnnLibrary: the functions of libcudnn.so.9 that its graphs need, found by name when first asked
// for, so that a program built with cuDNN starts on a machine without it.
#pragma once

#include <cudnn.h>

#include <source_location>
#include <string>

namespace cadmus::cuda {

struct CudnnLibrary {
  decltype(&::cudnnGetVersion) GetVersion;
  decltype(&::cudnnGetErrorString) GetErrorString;
  decltype(&::cudnnGetLastErrorString) GetLastErrorString;
  decltype(&::cudnnCreate) Create;
  decltype(&::cudnnDestroy) Destroy;
  decltype(&::cudnnSetStream) SetStream;
  decltype(&::cudnnBackendCreateDescriptor) CreateDescriptor;
  decltype(&::cudnnBackendDestroyDescriptor) DestroyDescriptor;
  decltype(&::cudnnBackendSetAttribute) SetAttribute;
  decltype(&::cudnnBackendGetAttribute) GetAttribute;
  decltype(&::cudnnBackendFinalize) Finalize;
  decltype(&::cudnnBackendExecute) Execute;
};

// Throws kConfig, with what the loader says, where it is missing, or older than 9.19.
const CudnnLibrary& LoadCudnn();

std::string CudnnVersionInWords(size_t version);  // "cuDNN 9.19.0"

// Throws kInternal (kOutOfMemory, kHardware where the status says so) with the library's own words.
void CheckCudnn(cudnnStatus_t status, const char* call,
                std::source_location at = std::source_location::current());

}  // namespace cadmus::cuda
