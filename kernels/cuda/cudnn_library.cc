// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn_library.h"

#include <dlfcn.h>

#include <array>

#include "kernels/base/error.h"

namespace cadmus::cuda {
namespace {

constexpr const char* kSoname = "libcudnn.so.9";
// The oldest of which the plans were looked at.
constexpr size_t kOldestVersion = 91900;

template <class Function>
void Find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) {
    throw Error(Kind::kConfig, StrCat(kSoname, " has no ", name, ": install ",
                                      CudnnVersionInWords(kOldestVersion), " or newer"));
  }
}

CudnnLibrary Load() {
  void* const file = ::dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);  // stays loaded
  if (file == nullptr) {
    throw Error(Kind::kConfig,
                StrCat("cuDNN is not here: ", ::dlerror(),
                       "; install it, or set LD_LIBRARY_PATH to the folder of ", kSoname));
  }
  CudnnLibrary library;
  Find(file, "cudnnGetVersion", library.GetVersion);
  Find(file, "cudnnGetErrorString", library.GetErrorString);
  Find(file, "cudnnGetLastErrorString", library.GetLastErrorString);
  Find(file, "cudnnCreate", library.Create);
  Find(file, "cudnnDestroy", library.Destroy);
  Find(file, "cudnnSetStream", library.SetStream);
  Find(file, "cudnnBackendCreateDescriptor", library.CreateDescriptor);
  Find(file, "cudnnBackendDestroyDescriptor", library.DestroyDescriptor);
  Find(file, "cudnnBackendSetAttribute", library.SetAttribute);
  Find(file, "cudnnBackendGetAttribute", library.GetAttribute);
  Find(file, "cudnnBackendFinalize", library.Finalize);
  Find(file, "cudnnBackendExecute", library.Execute);
  if (const size_t version = library.GetVersion(); version < kOldestVersion) {
    throw Error(Kind::kConfig, StrCat(kSoname, " is ", CudnnVersionInWords(version), ": install ",
                                      CudnnVersionInWords(kOldestVersion), " or newer"));
  }
  return library;
}

Kind KindOf(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED:
    case CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED:
      return Kind::kOutOfMemory;
    // The installation's: its parts do not fit together, or are not there.
    case CUDNN_STATUS_NOT_INITIALIZED:
    case CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH:
    case CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED:
      return Kind::kConfig;
    default:
      break;
  }
  switch (CUDNN_STATUS_CATEGORY(static_cast<int>(status))) {
    case CUDNN_STATUS_NOT_SUPPORTED:
      return Kind::kConfig;
    case CUDNN_STATUS_EXECUTION_FAILED:
      return Kind::kHardware;
    default:
      return Kind::kInternal;
  }
}

}  // namespace

const CudnnLibrary& LoadCudnn() {
  static const CudnnLibrary library = Load();
  return library;
}

std::string CudnnVersionInWords(size_t version) {
  return StrCat("cuDNN ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

void CheckCudnn(cudnnStatus_t status, const char* call, std::source_location at) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  const CudnnLibrary& library = LoadCudnn();
  std::array<char, 1024> words = {};
  library.GetLastErrorString(words.data(), words.size());
  throw Error(KindOf(status),
              StrCat(call, ": ", library.GetErrorString(status), ": ", words.data()), at);
}

}  // namespace cadmus::cuda
