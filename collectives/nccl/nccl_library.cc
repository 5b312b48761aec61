// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_library.h"

#include <dlfcn.h>

#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

constexpr const char* kSoname = "libnccl.so.2";

template <class Function>
void Find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) {
    throw Error(Kind::kConfig, StrCat(kSoname, " has no ", name, ": install ",
                                      NcclVersionInWords(NCCL_VERSION_CODE), " or newer"));
  }
}

NcclLibrary Load() {
  void* const file = ::dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);  // stays loaded
  if (file == nullptr) {
    throw Error(Kind::kConfig,
                StrCat("NCCL is not here: ", ::dlerror(),
                       "; install it, or set LD_LIBRARY_PATH to the folder of ", kSoname));
  }
  NcclLibrary library;
  Find(file, "ncclGetVersion", library.GetVersion);
  Find(file, "ncclGetErrorString", library.GetErrorString);
  Find(file, "ncclGetLastError", library.GetLastError);
  Find(file, "ncclGetUniqueId", library.GetUniqueId);
  Find(file, "ncclCommInitRankConfig", library.CommInitRankConfig);
  Find(file, "ncclCommGetAsyncError", library.CommGetAsyncError);
  Find(file, "ncclCommFinalize", library.CommFinalize);
  Find(file, "ncclCommDestroy", library.CommDestroy);
  Find(file, "ncclCommAbort", library.CommAbort);
  Find(file, "ncclCommRegister", library.CommRegister);
  Find(file, "ncclCommDeregister", library.CommDeregister);
  Find(file, "ncclGroupStart", library.GroupStart);
  Find(file, "ncclGroupEnd", library.GroupEnd);
  Find(file, "ncclAllReduce", library.AllReduce);
  Find(file, "ncclReduceScatter", library.ReduceScatter);
  Find(file, "ncclAllGather", library.AllGather);
  Find(file, "ncclBroadcast", library.Broadcast);
  Find(file, "ncclSend", library.Send);
  Find(file, "ncclRecv", library.Recv);
  int version = 0;
  const ncclResult_t result = library.GetVersion(&version);
  if (result != ncclSuccess || version < NCCL_VERSION_CODE) {
    throw Error(Kind::kConfig, StrCat(kSoname, " is ", NcclVersionInWords(version),
                                      "; this program was built with ",
                                      NcclVersionInWords(NCCL_VERSION_CODE), " and needs it"));
  }
  return library;
}

}  // namespace

const NcclLibrary& LoadNccl() {
  static const NcclLibrary library = Load();
  return library;
}

}  // namespace cadmus
