// SPDX-License-Identifier: Apache-2.0
// Stands in for libcuda.so.1 in a process without a GPU: code can be loaded, which is what making a
// plan asks for, and nothing can run. The functions take fewer parameters than the driver's.
namespace {

constexpr int kSuccess = 0, kNoDevice = 100;
int code;  // whose address every library and kernel has

}  // namespace

#define CADMUS_STAND_IN(name) \
  int name() { return kNoDevice; }

extern "C" {

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return kSuccess;
}
int cuDeviceGetCount(int* count) {
  *count = 0;
  return kNoDevice;
}
int cuGetErrorString(int, const char** words) {
  *words = "this driver stands in for one";
  return kSuccess;
}
int cuLibraryLoadData(void** library) {
  *library = &code;
  return kSuccess;
}
int cuLibraryGetKernel(void** kernel) {
  *kernel = &code;
  return kSuccess;
}
int cuLibraryUnload() { return kSuccess; }
int cuKernelSetAttribute() { return kSuccess; }

CADMUS_STAND_IN(cuInit)
CADMUS_STAND_IN(cuCtxGetCurrent)
CADMUS_STAND_IN(cuCtxGetLimit)
CADMUS_STAND_IN(cuCtxPopCurrent)
CADMUS_STAND_IN(cuCtxPushCurrent)
CADMUS_STAND_IN(cuDeviceGet)
CADMUS_STAND_IN(cuGetErrorName)
CADMUS_STAND_IN(cuKernelGetAttribute)
CADMUS_STAND_IN(cuLaunchCooperativeKernel)
CADMUS_STAND_IN(cuLaunchKernel)
CADMUS_STAND_IN(cuLaunchKernelEx)
CADMUS_STAND_IN(cuLibraryLoadFromFile)
CADMUS_STAND_IN(cuLinkAddData)
CADMUS_STAND_IN(cuLinkComplete)
CADMUS_STAND_IN(cuLinkCreate)
CADMUS_STAND_IN(cuLinkDestroy)
CADMUS_STAND_IN(cuOccupancyMaxPotentialClusterSize)
CADMUS_STAND_IN(cuStreamGetCtx)
}
